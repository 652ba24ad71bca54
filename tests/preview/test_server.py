"""`magnetgen serve` over HTTP: pages as a host shows them, what is refused, the event stream, the end."""

from __future__ import annotations

import errno
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from magnetgen.diagnostics import error
from magnetgen.preview.engine import Built
from tests.conftest import ROOT, SETTINGS, Site, page
from tests.preview.harness import PATIENCE, Drawer, Peer, Process, Puppet, hosting, previewing, until

BROKEN = "---\ntitle: Broken\nlayuot: page\n---\n\nWords.\n"
FORMS = json.dumps({"base_url": "http://127.0.0.1/"}).encode()


def fill(site: Site) -> Site:
    site.write("content/index.md", page("Welcome to leads.", title="Home"))
    site.write("content/about.md", page("About leads.", title="About"))
    site.write("content/posts/soon.md", page("Words.", title="Soon", date="2999-01-01"))
    site.write("content/posts/rough.md", page("Words.", title="Rough", date="2024-01-01", draft="true"))
    site.write("content/posts/done.md", page("Words.", title="Done", date="2024-01-02"))
    site.write("media/clip.mp4", bytes(range(256)) * 8)
    site.write("content/watch.md", page("[The clip](/media/clip.mp4)", title="Watch"))
    return site


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server that these tests only ask."""
    site = Site(tmp_path_factory.mktemp("asked") / "site")
    site.write("magnetgen.yaml", SETTINGS.replace("example.com", "example.com/repo"))
    with previewing(fill(site).root) as process:
        yield process


# --- pages ---------------------------------------------------------------------------------------------------------


def test_a_page_is_shown_with_the_client(running: Process) -> None:
    answer = running.ask("/repo/about/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert "About leads." in answer.text
    assert answer.text.count("<magnetgen-preview") == 1


def test_the_clients_part_is_not_in_the_files(running: Process) -> None:
    root = Path(re.search(r"--site (\S+)", " ".join(running.process.args))[1])  # type: ignore[arg-type, index]
    assert "magnetgen-preview" not in (root / ".magnetgen/preview/about/index.html").read_text("utf-8")


def test_the_sites_path_is_kept(running: Process) -> None:
    assert running.prefix == "/repo/"
    for asked in ("/", "/repo"):
        answer = running.ask(asked)
        assert (answer.status, answer.headers["location"]) == (302, "/repo/")
    assert running.ask("/about/").status == 404


def test_a_folder_is_shown_below_its_slash(running: Process) -> None:
    answer = running.ask("/repo/posts?utm_source=mail")
    assert (answer.status, answer.headers["location"]) == (302, "/repo/posts/?utm_source=mail")


def test_the_sites_own_page_for_what_is_not_there(running: Process) -> None:
    for asked in ("/repo/none/", "/repo/none.png", "/else/"):
        answer = running.ask(asked)
        assert answer.status == 404
        assert "magnetgen-preview" in answer.text
        assert "Lead Lab" in answer.text


def test_head_says_the_same_without_the_text(running: Process) -> None:
    got, head = running.ask("/repo/about/"), running.ask("/repo/about/", "HEAD")
    assert head.status == 200
    assert head.body == b""
    assert head.headers["content-length"] == str(len(got.body))


def test_drafts_and_what_is_to_come_are_marked(running: Process) -> None:
    for asked, mark in (("posts/rough/", "draft"), ("posts/soon/", "2999-01-01"), ("posts/done/", "")):
        state = state_of(running.ask(f"/repo/{asked}").text)
        assert mark in str(state["mark"])
        assert bool(state["mark"]) == bool(mark)
    assert state["source"] == "content/posts/done.md"
    assert str(state["edit"]).startswith("vscode://file/")


def state_of(html: str) -> dict[str, object]:
    from html import unescape

    found = re.search(r'data-state="([^"]*)"', html)
    assert found
    state: dict[str, object] = json.loads(unescape(found[1]))
    return state


def test_media_are_sent_in_parts(running: Process) -> None:
    found = re.search(r'"(/repo/media/clip\.[^"]*mp4)"', running.ask("/repo/watch/").text)
    assert found
    whole = running.ask(found[1])
    assert (whole.headers["content-type"], len(whole.body)) == ("video/mp4", 2048)
    part = running.ask(found[1], Range="bytes=10-19")
    assert (part.status, part.body, part.headers["content-range"]) == (206, whole.body[10:20], "bytes 10-19/2048")
    assert running.ask(found[1], Range="bytes=5000-").status == 416


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/repo/../../../magnetgen.yaml", "/repo/..%2f..%2fmagnetgen.yaml", "/repo/%2e%2e/%2e%2e/magnetgen.yaml", "/repo/.magnetgen",
     "/repo/..%5c..%5cmagnetgen.yaml", "/repo/index.html%00", "//etc/passwd", "/repo//etc/passwd", "/magnetgen.yaml",
     "/content/about.md", "/repo/content/about.md", "/.magnetgen/forms.json", "/repo/.magnetgen/forms.json", "/repo/forms.json"],
)  # fmt: skip
def test_nothing_but_the_site_is_shown(running: Process, path: str) -> None:
    answer = running.ask(path)
    assert answer.status == 404
    assert "base_url" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_pages_are_only_read(running: Process, method: str) -> None:
    answer = running.ask("/repo/about/", method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert "This was not sent" in answer.text


def test_other_names_are_refused(running: Process) -> None:
    for host in ("evil.example", f"evil.example:{running.port}", "127.0.0.1:1", None):
        for path in ("/repo/", "/_magnetgen/events"):
            answer = running.ask(path, Host=host)
            assert answer.status in (400, 421)  # a request without any Host is not even HTTP/1.1
            assert "About" not in answer.text


def test_localhost_is_sent_to_the_one_origin_that_forms_accept(running: Process) -> None:
    answer = running.ask("/repo/about/?a=b", Host=f"localhost:{running.port}", Sec_Fetch_Mode="navigate")
    assert (answer.status, answer.headers["location"]) == (302, f"http://127.0.0.1:{running.port}/repo/about/?a=b")


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}]
)
def test_pages_from_elsewhere_cannot_listen(running: Process, headers: dict[str, str]) -> None:
    answer = running.ask("/_magnetgen/events", "GET", b"", **headers)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_answers_are_for_this_origin_alone(running: Process) -> None:
    site, own = running.ask("/repo/"), running.ask("/_magnetgen/none")
    for answer in (site, own):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in answer.headers if name.startswith("access-control") or name == "server"]
    assert site.headers["x-frame-options"] == "SAMEORIGIN"
    assert own.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in own.headers["content-security-policy"]


# --- the stream ------------------------------------------------------------------------------------------------------


def test_builds_are_told_as_they_come(site: Site) -> None:
    with previewing(fill(site).root) as process, process.events() as events:
        state = events.next()
        assert state
        assert (state["event"], state["built"], state["failed"]) == ("state", True, False)

        site.write("content/about.md", page("New words.", title="About"))
        news = events.next("reload")
        assert news
        assert "about/index.html" in news["changed"]
        assert "New words." in process.ask("/about/").text

        site.write("content/broken.md", BROKEN)
        fault = events.next("fault")
        assert fault
        found = fault["diagnostics"][0]
        assert (found["path"], found["line"], found["severity"]) == ("content/broken.md", 3, "error")
        assert "layout" in found["hint"]
        assert found["excerpt"][0].endswith("layuot: page")
        assert re.fullmatch(r"vscode://file/.*/content/broken\.md:3:\d+", found["link"])
        assert "New words." in process.ask("/about/").text, "the last good page stays"

        with process.events() as late:
            state = late.next()
            assert state
            assert state["failed"]
            assert state["diagnostics"] == fault["diagnostics"]

        site.delete("content/broken.md")
        fixed = events.next("fixed")
        assert fixed
        assert fixed["build"] > fault["build"]
        after = events.next()
        assert after
        assert after["event"] == "reload"
        process.says("content/broken.md:3:1 error[")
        process.says(" 1 error; 3 warnings: the preview stays as it was")


def test_a_first_build_with_errors_says_what_there_is_to_see(site: Site) -> None:
    broken = page(layuot="page")
    fill(site).write("content/broken.md", broken)
    with previewing(site.root) as process:
        process.says(" 1 error; 3 warnings: nothing to see until that is mended")
        assert process.ask("/about/").status == 503
        site.delete("content/broken.md")
        until(lambda: process.ask("/about/").status == 200)
        before = len(process.lines)
        site.write("content/broken.md", broken)
        process.says(" 1 error; 3 warnings: the preview stays as it was", before)
    with previewing(site.root) as process:
        process.says(" 1 error; 3 warnings: the preview is what it was the last time")
        assert process.ask("/about/").status == 200


def test_settings_a_new_folder_and_templates_are_seen(site: Site) -> None:
    with previewing(fill(site).root) as process, process.events() as events:
        events.next("state")
        new = site.write("magnetgen.yaml.new", SETTINGS.replace("Lead Lab", "Other Lab"))
        new.replace(site.root / "magnetgen.yaml")
        until(lambda: "Other Lab" in process.ask("/about/").text)
        site.write("content/fresh/one.md", page("Fresh words.", title="One"))
        until(lambda: "Fresh words." in process.ask("/fresh/one/").text)
        site.write("templates/_footer.html", "<footer>Own footer</footer>")
        until(lambda: "Own footer" in process.ask("/about/").text)
        site.delete("content/about.md")
        until(lambda: process.ask("/about/").status == 404)


def test_the_sites_path_may_change_while_it_is_shown(site: Site) -> None:
    with previewing(fill(site).root) as process:
        assert process.ask("/about/").status == 200
        site.write("magnetgen.yaml", SETTINGS.replace("example.com", "example.com/new"))
        until(lambda: process.ask("/new/about/").status == 200)
        assert process.ask("/").headers["location"] == "/new/"


# --- beginning and end -------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_it_with_streams_open(site: Site) -> None:
    with previewing(fill(site).root) as process, process.events() as one, process.events() as other:
        one.next("state")
        other.next("state")
        assert process.interrupt() in (0, 130)
        assert one.next() is None, "the stream has an end, and was not cut"
        assert other.next() is None
        assert "Cancel" not in "\n".join(process.lines)


def test_ctrl_c_ends_it_with_an_upload_half_way(site: Site) -> None:
    with previewing(fill(site).root) as process, socket.create_connection(("127.0.0.1", process.port)) as upload:
        head = f"POST /api/forms/newsletter HTTP/1.1\r\nHost: 127.0.0.1:{process.port}\r\nOrigin: {process.origin}\r\n"
        kind = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
        upload.sendall((head + kind).encode())
        assert upload.recv(100).startswith(b"HTTP/1.1 100"), "the handler waits for the rest"
        assert process.interrupt() in (0, 130)


def test_ctrl_c_twice_is_no_fault(site: Site) -> None:
    with previewing(fill(site).root) as process, process.events() as events:
        events.next("state")
        process.process.send_signal(signal.SIGINT)
        process.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        process.process.send_signal(signal.SIGINT)
        assert process.process.wait(PATIENCE) in (0, 130)


def test_a_site_that_is_broken_at_the_start_comes_when_it_is_mended(site: Site) -> None:
    site.write("content/index.md", BROKEN)
    with previewing(site.root) as process, process.events() as events:
        state = events.next()
        assert state
        assert (state["built"], state["failed"]) == (False, True)
        answer = process.ask("/")
        assert answer.status == 503
        assert "Nothing is built yet" in answer.text
        site.write("content/index.md", page("Welcome.", title="Home"))
        assert events.next("reload")
        assert process.ask("/").status == 200


def test_the_browser_is_opened_when_asked_for(site: Site, tmp_path: Path) -> None:
    told, program = tmp_path / "told", tmp_path / "browser"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > "{told}"\n', "utf-8")
    program.chmod(0o755)
    with previewing(fill(site).root, "--open", BROWSER=f"{program} %s") as process:
        until(lambda: told.is_file() and told.read_text("utf-8") == process.url(""))


def serve(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "magnetgen", "serve", *map(str, args)]
    env = {"PYTHONPATH": str(ROOT / "src"), "PATH": ""}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_a_port_that_is_taken(site: Site) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = serve("--site", fill(site).root, "--port", str(port))
    assert done.returncode == 2
    assert re.search(rf"something else listens on port {port}: --port \d+ is free", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_site_is_shown_once_at_a_time(site: Site) -> None:
    with previewing(fill(site).root) as process:
        done = serve("--site", site.root, "--port", "0")
        assert done.returncode == 2
        assert f"another magnetgen serve shows this site already at {process.origin}: open that, or stop" in done.stderr
        assert "Traceback" not in done.stderr
        process.process.kill()
        process.process.wait()
    with previewing(site.root) as process:
        assert process.ask("/about/").status == 200, "the lock went with the process"


def test_a_folder_without_settings_says_what_a_build_says(tmp_path: Path) -> None:
    done = serve("--site", tmp_path)
    assert done.returncode == 1
    assert "error[config-missing] there is no magnetgen.yaml here" in done.stdout
    assert serve("--site", tmp_path / "none").returncode == 2


def test_an_address_that_is_not_ours(site: Site) -> None:
    done = serve("--site", fill(site).root, "--host", "192.0.2.1", "--port", "0")
    assert done.returncode == 3
    assert done.stderr.startswith("magnetgen: ")
    assert "--host 192.0.2.1 --port 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_editor_that_is_none(site: Site) -> None:
    command = [sys.executable, "-m", "magnetgen", "serve", "--site", str(fill(site).root)]
    env = {"PYTHONPATH": str(ROOT / "src"), "MAGNETGEN_EDITOR": "javascript:{path}"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "MAGNETGEN_EDITOR" in done.stderr


def test_on_all_addresses_there_is_a_warning(site: Site) -> None:
    with previewing(fill(site).root, "--host", "0.0.0.0") as process:
        process.says("Everyone on this network can see this preview")
        loopback = Peer(process.port)
        assert loopback.ask("/about/").status == 200
        assert loopback.ask("/about/", Host="evil.example").status == 421


# --- faults of the world -----------------------------------------------------------------------------------------------


def good(out: Path, text: str = "<!doctype html><title>Good</title><p>Good words") -> Built:
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(text, "utf-8")
    return Built(pages=1, forms=FORMS)


def test_a_full_disk_is_an_overlay_and_ends_nothing(site: Site) -> None:
    out = site.root / "out"
    full = OSError(errno.ENOSPC, "No space left on device", str(out / "index.html"))
    engine = Puppet(out, good(out), full, RuntimeError("secret words"), good(out))
    with hosting(site.root, engine) as server, server.events() as events:
        assert events.next("state")
        server.session.rebuilder.poke()
        fault = events.next("fault")
        assert fault
        found = fault["diagnostics"][0]
        assert (found["code"], found["message"], found["path"]) == ("io", "No space left on device", "out/index.html")
        assert "Good words" in server.ask("/").text

        server.session.rebuilder.poke()
        fault = events.next("fault")
        assert fault
        assert fault["diagnostics"][0]["code"] == "internal"
        assert "secret" not in json.dumps(fault)
        assert "secret words" in (site.root / ".magnetgen/preview-fault.txt").read_text("utf-8")

        server.session.rebuilder.poke()
        assert events.next("fixed")
        assert "Traceback" not in "".join(server.said)


def test_the_forms_handler_is_part_of_it(site: Site) -> None:
    out = site.root / "out"
    forms, engine = Drawer("/repo/api"), Puppet(out, good(out))
    with hosting(site.root, engine, forms) as server, server.events() as events:
        assert forms.given == [FORMS]
        assert events.next("state")
        assert server.ask("/repo/api/forms/x", "POST", b"email=a").status == 202
        assert server.ask("/repo/api").headers["x-handler"] == "yes"
        assert server.ask("/repo/apis", "POST").status == 405
        assert forms.asked == ["POST /repo/api/forms/x", "GET /repo/api"]

        answer = server.ask("/_magnetgen/leads")
        assert (answer.status, answer.headers["x-frame-options"], answer.headers["cache-control"]) == (
            200,
            "DENY",
            "no-store",
        )
        assert server.ask("/_magnetgen/leads", "POST").status == 403
        assert server.ask("/_magnetgen/leads", "POST", Origin=server.origin).status == 200
        assert server.ask("/_magnetgen/leads", Sec_Fetch_Site="cross-site").status == 403

        forms.leads = 3
        until(lambda: (events.next("counts") or {}).get("leads") == 3)
        server.session.rebuilder.poke()
        assert events.next("reload")
        assert forms.given == [FORMS], "it is given what has changed"
    assert forms.state == "started stopped"


def test_forms_that_the_handler_refuses_are_a_fault(site: Site) -> None:
    out = site.root / "out"
    forms = Drawer()
    engine = Puppet(out, good(out), Built(pages=1, forms=FORMS + b" "), Built(pages=1, forms=FORMS + b" "))
    with hosting(site.root, engine, forms) as server, server.events() as events:
        assert events.next("state")
        forms.refusal = OSError(errno.EACCES, "Permission denied", ".magnetgen/leads.db")
        server.session.rebuilder.poke()
        fault = events.next("fault")
        assert fault
        assert fault["diagnostics"][0]["message"] == "Permission denied"
        forms.refusal = None
        server.session.rebuilder.poke()
        assert events.next("fixed")
        assert forms.given[-1] == FORMS + b" "


def test_a_handler_that_breaks_is_one_line(site: Site) -> None:
    out = site.root / "out"

    class Broken(Drawer):
        async def api(self, scope: object, receive: object, send: object) -> None:
            raise ValueError("ana@example.com")

    with hosting(site.root, Puppet(out, good(out)), Broken()) as server:
        assert server.ask("/api/forms/x", "POST").status == 500
        assert "magnetgen: POST /api/forms/x could not be answered: ValueError" in server.said
        assert "ana@" not in "".join(server.said)
        assert server.ask("/").status == 200


def test_many_faults_are_counted_and_not_all_sent(site: Site) -> None:
    out = site.root / "out"
    many = tuple(error("link-broken", f"no {n}", "content/a.md") for n in range(100))
    with hosting(site.root, Puppet(out, Built(diagnostics=many, failed=True))) as server, server.events() as events:
        state = events.next("state")
        assert state
        assert len(state["diagnostics"]) + state["more"] == 100
        assert state["more"] > 0
        assert "Nothing is built yet" in server.ask("/").text


def test_a_link_out_of_the_output_is_not_followed(site: Site) -> None:
    out = site.root / "out"
    built = good(out)
    (out / "settings.txt").symlink_to(site.root / "magnetgen.yaml")
    with hosting(site.root, Puppet(out, built)) as server:
        answer = server.ask("/settings.txt")
        assert answer.status == 404
        assert "base_url" not in answer.text
