"""Submissions that were held because nobody could judge their challenge: the verifier is asked again.

Whatever sends the outbox calls `review`, beside the sending and never before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from magnetgen.forms import rules
from magnetgen.forms.challenge import DOWN, PASS, Verifier
from magnetgen.forms.http import Context
from magnetgen.forms.records import HELD, PRIVATE, Submission, SubmissionQuery
from magnetgen.forms.site import Form
from magnetgen.forms.store import Store

LIVES_MS = 300_000
"""How long an answer of Turnstile's can be judged."""
LOOK_BACK_MS = 3_600_000
"""Older submissions are not looked at any more."""
SECONDS = 20.0
"""How long a review may take: what is left over is for the next one."""
PAGE = 100


def review(store: Store, verifier: Verifier, context: Callable[[], Context], seconds: float = SECONDS) -> int:
    """Ask again about what can still be judged → how many submissions were released.

    What passes goes on as if the owner had released it, what fails stays held with the reason `challenge_failed`, and
    what has become too old waits for the owner. While the verifier is down, nothing changes. `context`: one as of now;
    `seconds`: how long it may take at most.
    """
    ctx, ends, released, is_down = context(), time.monotonic() + min(seconds, SECONDS), 0, False
    for form in ctx.site.forms.values():
        if form.challenge is None or form.challenge.is_proof:
            continue
        for sent in _unjudged(store, form, ctx.ms):
            if time.monotonic() > ends:
                return released
            if sent.created_at <= ctx.ms - LIVES_MS:
                store.submit(*rules.stay_held(sent.id, "challenge")).result()
            elif not is_down:
                verdict = verifier.verify(form.challenge, sent.source[PRIVATE]["answer"], sent.source[PRIVATE]["once"])
                is_down = verdict == DOWN
                released += _settle(store, context(), sent, verdict)
    return released


def _settle(store: Store, ctx: Context, sent: Submission, verdict: str) -> int:
    if verdict == DOWN:
        return 0
    work = rules.release(ctx, sent.id) if verdict == PASS else rules.stay_held(sent.id, "challenge_failed")
    store.submit(*work).result()
    return int(verdict == PASS)


def _unjudged(store: Store, form: Form, now: int) -> Iterator[Submission]:
    """Held submissions of a form that still have their answer; the oldest is the first to become too old."""
    found: list[Submission] = []
    query = SubmissionQuery(since=now - LOOK_BACK_MS, form=form.name, status=HELD, limit=PAGE)
    while page := store.submissions(query):
        found += [sent for sent in page if sent.reason == "challenge" and PRIVATE in sent.source]
        if len(page) < PAGE:
            break
        query = replace(query, after=(page[-1].created_at, page[-1].id))
    return reversed(found)
