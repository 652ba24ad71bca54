"""Who else comes: scanners of mails, slow clients; and what of a visitor is left in logs and files."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path
from urllib.parse import quote

from tests.handler_faults.client import ACCEPTED, Cut, Ledger, Line, Post, drive, posts, request, share, until
from tests.handler_faults.place import SECRETS, Place, Verdict
from tests.handler_faults.sinks import open_sinks

AGENTS = (
    "", "Mozilla/5.0 (compatible; LinkScan/2.1)", "curl/8", "Mimecast", "BarracudaCentral", "python-requests/2",
    "Mozilla/5.0 (iPhone) Mobile", "x" * 500, "'\"<script>", "Outlook-iOS/2.0",
)  # fmt: skip


async def scanned(folder: Path, store: str, faults: tuple[str, ...], links: int, fetches: int = 20) -> Verdict:
    """Each link of each mail is fetched over and over, before its reader comes. Then the reader presses the buttons."""
    sinks = await open_sinks("crm")
    place, ledger, dice = Place(folder, store, env=sinks.env), Ledger(), random.Random(3)
    third = links // 3
    try:
        handler = await place.handler(faults).ready()
        await drive([handler.port], posts(links - 2 * third, "shut") + posts(third, "book"), ledger, 8)
        await until(lambda: len(sinks.mail.receipts) >= len(ledger.acknowledged), 60)
        found = [(purpose, token) for kept in sinks.mail.links.values() for purpose, token in kept]
        ended = {to for to, kept in sinks.mail.links.items() if any(purpose == "unsubscribe" for purpose, _ in kept)}
        before = {row["email"]: row["status"] for row in place.dump()["leads"]}
        work = [(purpose, token) for purpose, token in found for _ in range(fetches)]
        dice.shuffle(work)
        answers = await _fetch(handler.port, work, dice)
        rows = place.dump()
        wrong = [f"{row['status']} by a scanner" for row in rows["leads"] if row["status"] != before[row["email"]]]
        wrong += [f"{purpose}: {n} answers of {status}" for (purpose, status), n in answers.items() if status != 200]
        pressed = await _press(handler.port, found)
        handler.kill()
        after = {row["email"]: row["status"] for row in place.dump()["leads"]}
    finally:
        place.close()
        sinks.close()
    wrong += [f"{email}: {state} after its button" for email, state in after.items()
              if state != ("unsubscribed" if email in ended else "confirmed")]  # fmt: skip
    if pressed or len(found) < links:
        wrong.append(f"{pressed} buttons did not work, {len(found)} links were mailed")
    downloads = sum(row["downloaded_at"] is not None for row in rows["leads"])
    acts = sum(w.endswith("by a scanner") for w in wrong)
    measured = (
        f"{len(found):,} links × {fetches} fetches: {acts:,} confirmations and unsubscriptions, {downloads:,} leads with "
        f"a download; {len(found) - pressed:,} buttons work afterwards"
    )
    return Verdict(measured, tuple(wrong))


async def _fetch(port: int, work: list[tuple[str, str]], dice: random.Random) -> dict[tuple[str, int], int]:
    counted: dict[tuple[str, int], int] = {}
    todo = iter(work)

    async def one() -> None:
        line = Line(port)
        for purpose, token in todo:
            agent = dice.choice(AGENTS)
            raw = request(dice.choice(("GET", "HEAD")), f"/{purpose}/{token}", user_agent=agent, accept="*/*")
            answer = await line.ask(raw)
            counted[purpose, answer.status] = counted.get((purpose, answer.status), 0) + 1
        line.close()

    await asyncio.gather(*(one() for _ in range(8)))
    return counted


async def _press(port: int, found: list[tuple[str, str]]) -> int:
    """POST each link; how many did not work."""
    line, failed = Line(port), 0
    for purpose, token in found:
        answer = await line.ask(request("POST", f"/{purpose}/{token}"))
        failed += answer.status not in (200, 202)
    line.close()
    return failed


# Canaries


class Canaries:
    """Values that are nowhere else in the world."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def new(self, kind: str) -> str:
        self.made.append(f"cnry{len(self.made):03}{kind}zq")
        return self.made[-1]

    def seen(self, data: bytes) -> list[str]:
        low = data.lower()
        return [value for value in self.made if value.encode() in low]


async def canaries(folder: Path, store: str, faults: tuple[str, ...], people: int) -> Verdict:
    """Every sort of submission and link of some people; then each is erased, and every byte of every file is read."""
    del store
    sinks = await open_sinks("crm")
    place, birds = Place(folder, env=sinks.env), Canaries()
    try:
        handler = await place.handler(faults).ready()
        addresses, secret = await _live(handler.port, birds, people)
        await until(lambda: len(sinks.mail.receipts) >= 2 * people, 20)
        line = Line(handler.port)
        for token in [token for kept in sinks.mail.links.values() for _, token in kept]:
            secret.append(token)
            for purpose in ("confirm", "download", "unsubscribe"):
                await line.ask(request("GET", f"/{purpose}/{token}?q={birds.new('query')}"))
        there = birds.seen(_bytes(folder / "store"))
        admin = {"authorization": f"Bearer {SECRETS['MAGNETGEN_ADMIN_TOKEN']}", "content-type": "application/json"}
        for email in addresses:
            raw = request("POST", "/admin/leads/erase", json.dumps({"email": email}).encode(), **admin)
            assert (await line.ask(raw)).status == 200
        await asyncio.sleep(0.3)
        left = birds.seen(_bytes(folder / "store"))
        line.close()
        await handler.stop()
        left += birds.seen(_bytes(folder / "store"))
        logged = place.log.read_bytes()
    finally:
        place.close()
        sinks.close()
    wrong = [f"in a file after erasure: {value}" for value in sorted(set(left))]
    wrong += [f"in the log: {value}" for value in birds.seen(logged)]
    wrong += ["a token is in the log"] * any(token.encode() in logged for token in secret)
    if len(there) < people:
        wrong.append("the canaries were never in the store: nothing was shown")
    measured = (
        f"{len(birds.made)} canaries and {len(secret)} tokens, {len(there)} of them in the store's files before: "
        f"{len(set(left))} after erasure, {sum('log' in w for w in wrong)} in {len(logged.splitlines())} lines of log"
    )
    return Verdict(measured, tuple(wrong))


async def _live(port: int, birds: Canaries, people: int) -> tuple[list[str], list[str]]:
    """Submissions of all sorts; the addresses, and the tokens that were handed out."""
    line, addresses, secret = Line(port), list[str](), list[str]()
    traps = ("", "&_mg_t=10", "&_mg_hp=x")
    for number in range(people):
        email = f"{birds.new('mail')}@{birds.new('host')}.example"
        addresses.append(email)
        for form in ("plain", "double", "book", "shut"):
            source = quote(json.dumps({"last": {"utm_source": birds.new("utm"), "page": f"/{birds.new('page')}"}}))
            more = f"&first_name={birds.new('name')}&message={birds.new('text')}&undeclared={birds.new('junk')}"
            more += f"&_mg_src={source}{traps[number % 3] if form != 'book' else ''}"
            raw = Post(email, birds.new("key") + "0" * 16, form, more).raw()
            raw = raw.replace(b"\r\n\r\n", f"\r\nreferer: https://site.example/{birds.new('ref')}?{birds.new('q')}\r\ncookie: a={birds.new('cookie')}\r\nuser-agent: {birds.new('agent')}\r\n\r\n".encode(), 1)  # fmt: skip
            answer = await line.ask(raw)
            if answer.status == ACCEPTED:
                secret += [json.loads(answer.body)["next"].partition("#")[2]]
        for path in (f"/{birds.new('path')}", f"/forms/{birds.new('form')}", f"/download/mg1.{birds.new('token')}"):
            await line.ask(request("GET", path))
        await line.ask(Post(birds.new("bad"), birds.new("key") + "0" * 16, "plain").raw())
    line.close()
    return addresses, [token for token in secret if token]


def _bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


# Slow clients


async def slow_clients(folder: Path, store: str, faults: tuple[str, ...], slow: int, count: int) -> Verdict:
    """Many clients that send their bodies byte by byte, or their headers, while others want to be served."""
    place, ledger = Place(folder, store), Ledger(folder / "acknowledged")
    try:
        handler = await place.handler(faults, body=2.0).ready()
        await drive([handler.port], posts(20, start=10**6), Ledger(), 4)
        dripping = [asyncio.create_task(_drip(handler.port, n)) for n in range(slow)]
        await asyncio.sleep(0.5)
        await drive([handler.port], posts(count), ledger, 4, patience=1.5)
        refused = await asyncio.gather(*dripping)
        rows = place.dump()
        handler.kill()
    finally:
        place.close()
    wrong = [f"{ledger.slow + ledger.cuts} others were not served"] * bool(ledger.slow + ledger.cuts)
    wrong += [f"lost: {e}" for e in ledger.acknowledged if e not in {row["email"] for row in rows["leads"]}]
    held = sum(status not in (408, 0) for status in refused)
    wrong += [f"{held} slow clients were answered as if they were quick"] * bool(held)
    measured = (
        f"{slow} slow clients, {refused.count(408)} of them refused with 408 after their time; "
        f"{len(ledger.seconds):,} of {count:,} others served meanwhile, p95 {share(ledger.seconds, 0.95) * 1000:.0f} ms"
    )
    return Verdict(measured, tuple(wrong))


async def _drip(port: int, number: int) -> int:
    """One byte now and then; every second one never ends its headers. The status that ended it, or 0."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    raw = request("POST", "/forms/plain", b"email=" + b"x" * 400 + b"%40x.co")
    head = raw.index(b"\r\n\r\n") + (4 if number % 2 else -20)
    status, end = 0, time.monotonic() + 6
    try:
        writer.write(raw[:head])
        for byte in raw[head : head + 15 if number % 2 == 0 else None]:
            if time.monotonic() > end:
                break
            writer.write(bytes([byte]))
            try:
                line = await asyncio.wait_for(reader.readline(), 0.3)
            except TimeoutError:
                continue
            status = int(line.split(b" ")[1]) if line else 0
            break
    except Cut:
        status = 0
    writer.close()
    return status
