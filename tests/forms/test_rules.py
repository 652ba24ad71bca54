"""Decisions that a single run of the handler does not reach: a form that changed, a lead that came back."""

from __future__ import annotations

from dataclasses import replace

from magnetgen.forms import rules, tokens
from magnetgen.forms.http import Context, Request
from magnetgen.forms.records import Changes, Lead, Snapshot, Submission
from magnetgen.forms.site import from_data
from tests.forms.data import EVERYTHING, KEYS, NOW

SITE = from_data(EVERYTHING)
CTX = Context(SITE, KEYS, Request("POST", "/api/forms/plain"), NOW, lambda n: bytes(n))
MS = NOW * 1000
LEAD = Lead("ab" * 16, "plain", "ana@x.co", "k", "confirmed", {"first_name": "Ana"}, (), 1, confirmed_at=2)
SENT = Submission("cd" * 16, "plain", None, "ana@x.co", "k", "accepted", "", {"first_name": "Eve"}, (), {}, MS)


def accepted(lead: Lead | None, form: str = "plain", **more: object) -> Changes:
    snapshot = replace(Snapshot(lead=lead), **more)  # type: ignore[arg-type]
    return rules.accept(CTX, SITE.forms[form], replace(SENT, form=form), snapshot, "ef" * 16)


def test_who_confirmed_is_not_overwritten_by_a_form_that_asks_no_more() -> None:
    made = accepted(LEAD)
    assert made.leads[0].data == {"first_name": "Ana"}
    assert (made.submissions[0].lead, made.submissions[0].applied_at) == (LEAD.id, None)


def test_who_never_confirmed_is_brought_up_to_date() -> None:
    made = accepted(replace(LEAD, confirmed_at=None))
    assert made.leads[0].data == {"first_name": "Eve"} and made.submissions[0].applied_at == MS


def test_who_unsubscribed_and_comes_back_is_a_lead_again_and_no_longer_suppressed() -> None:
    made = accepted(replace(LEAD, status="unsubscribed", unsubscribed_at=3, confirmed_at=None))
    assert (made.leads[0].status, made.leads[0].unsubscribed_at, made.release) == ("confirmed", 3, "k")


def test_a_suppressed_address_gets_no_welcome_that_nobody_confirmed() -> None:
    kinds = [d.kind for d in accepted(None, suppressed="erased").outbox]
    assert kinds == ["lead.created"]
    assert [d.kind for d in accepted(None).outbox] == ["lead.created", "mail:welcome"]


def test_a_purpose_once_agreed_to_stays_agreed_to() -> None:
    yes, no = {"name": "letters", "given": True}, {"name": "letters", "given": False}
    lead = rules._applied(replace(LEAD, consent=(yes,)), (replace(SENT, consent=(no,)),))
    assert lead.consent == (yes,)
    assert rules._applied(replace(LEAD, consent=(no,)), (replace(SENT, consent=(yes,)),)).consent == (yes,)


def test_other_mails_to_one_address_end_after_five_a_day() -> None:
    times = tuple(("mail:deliver", MS - n) for n in range(5))
    kinds = [d.kind for d in accepted(replace(LEAD, form="book"), "book", mails=times[:4]).outbox]
    assert "mail:deliver" in kinds
    assert "mail:deliver" not in [d.kind for d in accepted(replace(LEAD, form="book"), "book", mails=times).outbox]


def test_a_link_made_in_the_second_of_an_unsubscription_is_younger_than_it() -> None:
    from magnetgen.forms.mail import Composer

    ended = replace(LEAD, form="double", status="unsubscribed", unsubscribed_at=MS + 400)
    text = (
        Composer(SITE, KEYS, "a@b.co", lambda n: bytes(n))
        ._link(tokens.CONFIRM, SITE.forms["double"], ended, NOW)
        .rsplit("/", 1)[1]
    )
    token = tokens.verify(KEYS, text, tokens.CONFIRM, NOW)
    assert not rules.superseded(ended, token)
    assert rules.superseded(ended, replace(token, issued=NOW)) and rules.superseded(None, token)


def test_an_owner_is_told_by_mail_and_the_named_destinations_only() -> None:
    spec = SITE.forms["plain"].spec
    form = replace(SITE.forms["plain"], spec=replace(spec, notify=("email:owner@x.co",)))
    assert SITE.destinations_of(form) == ()
    made = rules.accept(CTX, form, SENT, Snapshot(), "ef" * 16)
    assert [(d.dest, d.kind) for d in made.outbox] == [("email:owner@x.co", "mail:notify"), ("mail", "mail:welcome")]
