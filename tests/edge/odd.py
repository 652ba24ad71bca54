"""Odd requests, the same ones again from the same seed and number: `python -m tests.edge.odd SEED NUMBER` shows a story.

A story is some forty requests on a fresh store, of a few people who come back, so that states differ; most of its
requests are nearly sound, since what is refused early reaches nothing.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from urllib.parse import quote, unquote

from tests.edge import odd_values as odd
from tests.edge.sites import BITS, FORMS, LONGEST, SITES, START
from tests.edge.steps import Ask, Header, Hook, Look, Step, Story
from tests.forms.solving import solve

LENGTH = 40
LOOK_EVERY = 20
ADMIN = "Bearer test-admin-token-" + "0123456789abcdef" * 3
TARGET = "".join(map(chr, range(0x21, 0x7F)))
"""What stands in a target as it is: the rest is percent-encoded, as no client sends it otherwise."""
URLENCODED, JSON = "application/x-www-form-urlencoded", "application/json"
PURPOSES = ("confirm", "unsubscribe", "download")
MAGNETS = {
    "book": "book", "shut": "book", "stored": "cloud", "lost": "lost", "gated": "cloud", "guide": "guide", "spring": "spring",
    "trial": "trial", "beta": "beta", "late": "beta",
}  # fmt: skip
FORMATS = (*("epub",) * 20, "mobi", "zip", "pdf", "EPUB", "", "epub/", "epub/epub", "epubepub", "epubepubx", "é", "%65pub")  # fmt: skip
"""What stands behind a download's token. `mobi`: listed, and nowhere; `zip`: there, and not listed."""
DAY = 86_400.0
STEPS = (0.0, 0.0, 0.001, 0.5, 1.0, 7.3, 59.0, 61.0, 599.0, 601.0, 3600.0)


class Teller:
    """Makes one story. The clock only moves forward, but for a story in ten."""

    def __init__(self, seed: int, number: int) -> None:
        self.dice = random.Random(f"{seed}/{number}")
        self.name = f"{seed}/{number}"
        self.site = self.dice.choice(("rich", "rich", "worded", "open"))
        self.now = START + self.dice.randrange(10_000_000) / 1000
        self.steps: list[Step] = []
        self.people = [
            self.dice.choice(("ana", "Bo", "c.d+e", "x_y")) + f"{n}@{self.dice.choice(('x.co', 'Mail.Example'))}"
            for n in range(3)
        ]
        self.forms = [*self.dice.sample(FORMS, 3), self.dice.choice([*MAGNETS]), self.dice.choice((*FORMS, LONGEST))]
        self.fails = self.dice.random() < 0.2
        self.busy_client = f"198.51.100.{self.dice.randrange(200)}"
        self.asked = 0
        self.origin = SITES[self.site]["origins"][0]
        self.source = ""

    def story(self) -> Story:
        start = self.now
        kinds: list[tuple[Callable[[], Ask], int]] = [
            (self.sound, 34), (self.broken, 26), (self.link, 22), (self.owner, 9), (self.lost, 5), (self.preflight, 2),
        ]  # fmt: skip
        makers, weights = [kind for kind, _ in kinds], [weight for _, weight in kinds]
        while self.asked < LENGTH:
            if self.steps and self.dice.random() < 0.05:
                self.between()
            self.asked += 1
            self.steps.append(self.at(self.dice.choices(makers, weights)[0]()))
            if self.asked % LOOK_EVERY == 0:
                self.steps.append(Look())
        self.drain()
        return Story(self.name, self.site, start, tuple(self.steps))

    def at(self, ask: Ask) -> Ask:
        # Never less than a millisecond: what is listed newest first has an order then.
        self.now = round(self.now + 0.002 + self.dice.choice(STEPS), 3)
        target = quote(ask.target.encode("utf-8"), safe=TARGET + "⟦⟧") if ask.target.isascii() else _quoted(ask.target)
        return Ask(ask.method, target, ask.headers, ask.body, ask.chunked, self.now, ask.bend)

    def between(self) -> None:
        kind = self.dice.random()
        if kind < 0.3:
            self.drain()
        elif kind < 0.9:
            self.now += self.dice.choice(
                (DAY / 24, DAY, 3 * DAY + 59, 3 * DAY + 61, 7 * DAY + 59, 7 * DAY + 61, 31 * DAY)
            )
        else:
            self.now -= self.dice.choice((61.0, 7200.0))

    def drain(self) -> None:
        """Send what is due. Where it fails, all of it is due again before anything else is sent.

        A retry comes at random within a fifth of its delay: nothing may hang on when exactly.
        """
        if self.fails:
            faults = self.dice.choice(({"mail_code": 451}, {"mail_code": 550}, {"hook_status": 500}, {"hook_status": 404},
                                       {"hook_status": 429, "retry_after": "90000"}, {"hook_status": 410}))  # fmt: skip
            self.steps += [Hook("sinks", faults), Hook("drain"), Look()]
            self.steps.append(Hook("sinks", {"mail_code": 250, "hook_status": 200, "retry_after": ""}))
            self.now += 2 * DAY
            self.steps.append(Hook("clock", {"now": self.now}))
        self.steps += [Hook("drain"), Look()]

    # Headers

    def headers(self, kind: str = URLENCODED) -> list[Header]:
        """Those of a page's script or of a browser, with a fault here and there."""
        self.asked_by = f"10.{self.dice.randrange(256)}.{self.dice.randrange(256)}.{self.dice.randrange(256)}"
        if self.dice.random() < 0.08:
            self.asked_by = self.dice.choice((self.busy_client, self.busy_client, *odd.CLIENTS))
        found = [("X-Forwarded-For", _latin(self.asked_by))]
        if kind:
            found.append(("Content-Type", kind))
        if self.dice.random() < 0.9:
            found.append(("Origin", self.origin if self.dice.random() < 0.93 else self.dice.choice(odd.ORIGINS)))
        accept = self.dice.choices(
            ("application/json", "text/html,*/*;q=0.8", None, self.dice.choice(odd.ACCEPTS)), (5, 3, 1, 2)
        )[0]
        if accept is not None:
            found.append(("Accept", accept))
        if self.dice.random() < 0.2:
            found.append(("Referer", self.dice.choice(odd.REFERERS)))
        if self.dice.random() < 0.1:
            found.append(
                (
                    "Sec-Fetch-Site",
                    self.dice.choice(("cross-site", "same-origin", "same-site", "none", "Cross-Site", "")),
                )
            )
        return found

    # POST /forms/…

    def person(self) -> str:
        email = self.dice.choice(self.people)
        return email.upper() if self.dice.random() < 0.1 else email

    def pairs(self, form: str) -> list[tuple[str, str]]:
        """A submission that is sound, or nearly."""
        dice, found = self.dice, [("email", self.person())]
        if form == "all":
            for field in SITES["rich"]["forms"]["all"]["fields"][1:]:
                if dice.random() < 0.25:
                    options = odd.NUMBERS if field["type"] == "number" else field.get("options", ["yes"])
                    found.append((field["name"], dice.choice((*options, dice.choice(odd.TEXTS)))))
        elif dice.random() < 0.6 or form == "quick":
            found.append(("first_name", dice.choice(("Ana", "Bo", dice.choice(odd.TEXTS)))))
        if form in ("news", "double", "all") and dice.random() < 0.9:
            found += [
                (name, dice.choice(("yes", "on", "1", "true", "no")))
                for name in ("letters", "calls")
                if dice.random() < 0.8
            ]
        if dice.random() < 0.5:
            found.append(("_mg_t", dice.choice(("60000", dice.choice(odd.TIMERS)))))
        if dice.random() < 0.15:
            found.append(("_mg_src", dice.choice(odd.SOURCES)))
        if dice.random() < 0.06:
            found.append(("_mg_hp", dice.choice(("x", " ", "\t", "\xa0"))))
        if dice.random() < 0.1:
            found.append(("_mg_idem", dice.choice(odd.KEYS)))
        if form == "turn" and dice.random() < 0.9:
            found.append((dice.choice(("cf-turnstile-response", "_mg_turnstile")), dice.choice(("x", "y", " "))))
        if form == "proof" and dice.random() < 0.95:
            found.append(("_mg_pow", self.proof()))
        return found

    def proof(self) -> str:
        """A solution, mostly right and sometimes used before."""
        dice = self.dice
        if self.source and dice.random() < 0.2:
            return self.source
        time = int(self.now) + dice.choice((0, 0, 0, 0, 250, 301, 320, -3590, -3601, -3700))
        salt = dice.choice(
            (format(dice.getrandbits(80), "020x"), "0" * 16, "0" * 64, "0" * 15, "0" * 65, "A" * 16)[
                : dice.choice((1, 6))
            ]
        )
        bits = dice.choice((BITS, BITS, BITS, BITS + 1, BITS - 1))
        head = f"mg1/{bits}/{dice.choice(('proof',) * 6 + ('plain', ''))}/{dice.choice(('site.example',) * 6 + ('127.0.0.1',))}/{time}/{salt}/"
        self.source = solve(head) if dice.random() < 0.9 else head + dice.choice(("0", "01", "x", "9" * 16, ""))
        return self.source

    def form(self) -> str:
        return self.dice.choice(self.forms)

    def sound(self) -> Ask:
        form = self.form()
        pairs = self.pairs(form)
        as_json = self.dice.random() < 0.35
        headers = self.headers(JSON if as_json else URLENCODED)
        if self.dice.random() < 0.15:
            headers.append(
                (
                    "Idempotency-Key",
                    _latin(self.dice.choice((odd.KEYS[1], odd.KEYS[2], odd.KEYS[2], self.dice.choice(odd.KEYS)))),
                )
            )
        body = self.json(pairs) if as_json else self.urlencoded(pairs)
        return Ask("POST", f"/forms/{form}", tuple(headers), body, self.dice.random() < 0.1)

    def urlencoded(self, pairs: list[tuple[str, str]]) -> bytes:
        dice = self.dice

        def encoded(text: str) -> str:
            kept = dice.choice(
                (
                    "",
                    "@.-_",
                    "@.-_/:'(),!*~?",
                    "".join(map(chr, range(0x21, 0x7F))).translate({38: None, 37: None, 43: None}),
                )
            )
            found = quote(text.encode("utf-8", "surrogatepass"), safe=kept)
            return dice.choice(
                (found, found.replace("%20", "+"), found.lower() if "%" in found and text.islower() else found)
            )

        return "&".join(f"{name}={encoded(value)}" for name, value in pairs).encode()

    def json(self, pairs: list[tuple[str, str]]) -> bytes:
        made: dict[str, object] = {}
        for name, value in pairs:
            made[name] = [made[name], value] if name in made and name == "tags" else value
        texts = [
            f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=self.dice.random() < 0.5)}"
            for name, value in made.items()
        ]
        return ("{" + self.dice.choice((",", ", ", ",\n\t")).join(texts) + "}").encode("utf-8", "surrogatepass")

    def broken(self) -> Ask:
        """One thing wrong about a sound request, or about a body as a whole."""
        return self.dice.choice((self.odd_pieces, self.odd_pieces, self.odd_json, self.odd_json, self.odd_email, self.odd_email, self.odd_length, self.odd_length,
                                 self.odd_type, self.odd_headers, self.odd_bytes))()  # fmt: skip

    def odd_pieces(self) -> Ask:
        pieces = [
            *self.dice.choices(odd.PIECES, k=self.dice.choice((1, 1, 2, 4))),
            *self.urlencoded(self.pairs("all")).split(b"&"),
        ]
        self.dice.shuffle(pieces)
        return Ask("POST", f"/forms/{self.dice.choice(('all', self.form()))}", tuple(self.headers()), b"&".join(pieces))

    def odd_json(self) -> Ask:
        name = self.dice.choice(
            (
                "first_name",
                "tags",
                "agree",
                "budget",
                "message",
                "x",
                "email",
                "_mg_t",
                "_mg_hp",
                "_mg_src",
                "letters",
                "__proto__",
                "1",
                "",
            )
        )
        value = self.dice.choice(odd.JSON_VALUES)
        email = json.dumps(self.person())
        body = self.dice.choice((f'{{"email":{email},"{name}":{value}}}', f'{{"{name}":{value},"email":{email}}}',
                                 f'{{"email":{email},"first_name":"A","{name}":{value},"{name}":"S"}}')).encode("utf-8", "surrogatepass")  # fmt: skip
        whole = self.dice.choice(odd.JSON_WHOLE) if self.dice.random() < 0.3 else body
        return Ask("POST", f"/forms/{self.dice.choice(('all', self.form()))}", tuple(self.headers(JSON)), whole)

    def odd_email(self) -> Ask:
        pairs = [("email", self.dice.choice(odd.EMAILS)), *self.pairs("plain")[1:]]
        as_json = self.dice.random() < 0.5
        return Ask(
            "POST",
            f"/forms/{self.form()}",
            tuple(self.headers(JSON if as_json else URLENCODED)),
            self.json(pairs) if as_json else self.urlencoded(pairs),
        )

    def odd_length(self) -> Ask:
        dice, head = self.dice, f"email={quote(self.person())}".encode()
        kind = dice.randrange(5)
        if kind == 0:
            body = head + b"".join(
                b"&%s=%d" % (dice.choice((b"x", b"")), n) for n in range(dice.choice((98, 99, 100, 101)))
            )
        elif kind == 1:
            length = dice.choice((63, 64, 65, 65, 66))
            name = (dice.choice("aé😀") * 65).encode()[:length].decode(errors="ignore").encode()
            body = head + b"&" + name.ljust(length, b"b") + b"=1"
        elif kind == 2:
            names = (
                "first_name",
                "message",
                "wide",
                "site",
                "code",
                "email",
                "x",
                "_mg_hp",
                "_mg_src",
                "budget",
                "phone",
                "ref",
                "constructor",
                "last",
                "tags",
            )
            body = self.urlencoded([("email", self.person()), (dice.choice(names), odd.sized(dice))])
        elif kind == 3:
            body = head + b"&" * (dice.choice((65_535, 65_536, 65_537, 70_000)) - len(head))
        else:
            items = ",".join(['"a"'] * dice.choice((98, 99, 100, 101)))
            return Ask(
                "POST",
                "/forms/all",
                tuple(self.headers(JSON)),
                f'{{"email":"{self.person()}","tags":[{items}]}}'.encode(),
            )
        # What is too long goes without chunks: how much of those is read is each host's own.
        return Ask(
            "POST",
            f"/forms/{dice.choice(('all', self.form()))}",
            tuple(self.headers()),
            body,
            len(body) < 65_536 and dice.random() < 0.3,
        )

    def odd_type(self) -> Ask:
        headers = self.headers("")
        for _ in range(self.dice.choice((0, 1, 1, 1, 1, 1, 2))):
            headers.append(("Content-Type", self.dice.choice(odd.TYPES)))
        if self.dice.random() < 0.2:
            headers.append(("Content-Encoding", self.dice.choice(("identity", "gzip", "", "br"))))
        pairs = self.pairs("plain")
        return Ask(
            "POST", f"/forms/{self.form()}", tuple(headers), self.dice.choice((self.json, self.urlencoded))(pairs)
        )

    def odd_headers(self) -> Ask:
        dice, ask = self.dice, self.sound()
        name, values = dice.choice((("Accept", odd.ACCEPTS), ("Origin", odd.ORIGINS), ("Referer", odd.REFERERS), ("Idempotency-Key", odd.KEYS),
                                    ("X-Forwarded-For", odd.CLIENTS), ("Sec-Fetch-Site", ("cross-site", "x")), ("Cookie", ("a=b",)),
                                    ("X-Http-Method-Override", ("DELETE",)), ("Authorization", (ADMIN,)), ("X-Original-URL", ("/api/admin/leads",))))  # fmt: skip
        ask = ask.with_header(name, _latin(dice.choice(values)))
        return (
            Ask(ask.method, ask.target, (*ask.headers, (name, _latin(dice.choice(values)))), ask.body)
            if dice.random() < 0.1
            else ask
        )

    def odd_bytes(self) -> Ask:
        dice = self.dice
        kind = dice.choice((JSON, URLENCODED))
        body = bytearray(self.json(self.pairs("plain")) if kind == JSON else self.urlencoded(self.pairs("plain")))
        for _ in range(dice.choice((1, 1, 2, 8))):
            body[dice.randrange(len(body))] = dice.randrange(256)
        return Ask("POST", f"/forms/{self.form()}", tuple(self.headers(kind)), bytes(body))

    # Links, the owner's routes, and what is none

    def link(self) -> Ask:
        dice = self.dice
        purpose = dice.choice(PURPOSES)
        method = dice.choices(
            odd.METHODS, (60, 6, 20, 1, 1, 1, 1) if purpose == "download" else (30, 6, 50, 1, 1, 1, 1)
        )[0]
        form = dice.choice(
            ([n for n in self.forms if n in MAGNETS] or ["book"])
            if purpose == "download" and dice.random() < 0.9
            else self.forms
        )
        issued = int(self.now) + dice.choice(
            (0, 0, 0, 0, -60, -3600, 59, 60, 61, 62, -int(3 * DAY), -int(7 * DAY), -int(30 * DAY))
        )
        lives = {"confirm": 7 * 86_400, "unsubscribe": 0, "download": 72 * 3600}[purpose]
        expires = (
            issued + lives
            if lives and dice.random() < 0.9
            else dice.choice((0, int(self.now) - 60, int(self.now) - 61, int(self.now) - 59, 2**53 - 1))
        )
        of = purpose if dice.random() < 0.95 else dice.choice(PURPOSES)
        asset = (
            dice.choice((MAGNETS.get(form, ""),) * 12 + ("", "gone", "book", "cloud")) if purpose == "download" else ""
        )
        person = dice.choice((*self.people, *self.people, *self.people, "nobody@x.co"))
        token = f"⟦token:{of}:{form if dice.random() < 0.98 else 'gone'}:{person}:{asset}:{issued}:{expires}:k1⟧"
        if purpose == "download" and dice.random() < 0.5:
            token = f"⟦own:{dice.choice((0, 0, 1))}⟧"
        if purpose == "download" and dice.random() < (0.6 if form == "guide" else 0.05):
            token += f"/{dice.choice(FORMATS)}"
        headers = self.headers(dice.choice((URLENCODED, "", JSON)))
        if dice.random() < (0.7 if purpose == "download" else 0.1):
            headers.append(("Range", dice.choice(odd.RANGES)))
        if dice.random() < 0.1:
            headers.append(("If-Range", dice.choice(odd.ETAGS)))
        body = dice.choice((b"", b"List-Unsubscribe=One-Click", b"x" * 10)) if method not in ("GET", "HEAD") else b""
        return Ask(
            method, f"/{purpose}/{token}", tuple(headers), body, bend=dice.getrandbits(40) if dice.random() < 0.2 else 0
        )

    def owner(self) -> Ask:
        dice, headers = self.dice, self.headers("")
        given = dice.choice(
            (ADMIN,) * 12
            + (
                "Bearer x",
                ADMIN.lower(),
                "bearer  " + ADMIN[7:] + " ",
                "Basic eDp5",
                "",
                "Bearer",
                "Bearer t\xe9st",
                None,
            )
        )
        if given is not None:
            headers.append(("Authorization", given))
        kind = dice.randrange(8)
        if kind < 3:
            query = dice.choice((*odd.QUERIES, "since=" + dice.choice(odd.SINCE), "since=" + dice.choice(odd.SINCE)))
            if dice.random() < 0.25:
                # What of the same moment falls behind a limit is left open.
                return Ask(
                    "GET", f"/admin/outbox?{query if 'limit' not in unquote(query) else 'limit=200'}", tuple(headers)
                )
            query = dice.choice((query, query, f"{query}&limit=3"))
            return Ask("GET", f"/admin/{dice.choice(('leads', 'submissions'))}?{query}", tuple(headers))
        if kind < 6:
            body = (
                json.dumps({"email": self.person()}).encode() if dice.random() < 0.7 else dice.choice(odd.ADMIN_BODIES)
            )
            headers.append(("Content-Type", dice.choice((JSON,) * 5 + odd.TYPES)))
            # An erasure tells a destination of several leads in the same moment: which fails first is left open.
            what = "search" if self.fails else dice.choice(("search", "search", "erase"))
            return Ask("POST", f"/admin/leads/{what}", tuple(headers), body)
        if kind == 6:
            return Ask(
                "POST",
                f"/admin/submissions/⟦sub:{dice.choice(('held', 'held', 'quarantined', 'accepted'))}:{dice.randrange(3)}⟧/release",
                tuple(headers),
            )
        if self.fails:
            return Ask("POST", "/admin/nothing", tuple(headers))
        return Ask(
            "POST",
            dice.choice((f"/admin/outbox/⟦out:{dice.choice(('due', 'done', 'dead'))}:0⟧/retry", "/admin/drain")),
            tuple(headers),
        )

    def lost(self) -> Ask:
        dice = self.dice
        target = dice.choice((*odd.PATHS, *(f"/forms/{form}" for form in self.forms)))
        method = dice.choice(odd.METHODS)
        body = b"email=a%40x.co" if method in ("POST", "PUT", "PATCH") else b""
        return Ask(method, target, tuple(self.headers(URLENCODED if body else "")), body)

    def preflight(self) -> Ask:
        headers = [*self.headers(""), ("Access-Control-Request-Method", self.dice.choice(("POST", "GET", "x")))]
        return Ask("OPTIONS", f"/forms/{self.form()}", tuple(headers))


def _latin(text: str) -> str:
    """As a header's bytes: UTF-8 where it is not Latin-1."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode().decode("latin-1")
    return text


def _quoted(target: str) -> str:
    return "".join(letter if letter in TARGET or letter in "⟦⟧" else quote(letter) for letter in target)


def story(seed: int, number: int) -> Story:
    return Teller(seed, number).story()


if __name__ == "__main__":
    print(*story(int(sys.argv[1]), int(sys.argv[2])).steps, sep="\n")
