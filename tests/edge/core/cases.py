"""Odd inputs of the handler's core: what standard libraries of two languages would read in two ways."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus

FORM_BODIES = [
    b"", b"a=1&b=2", b"a=1&a=2", b"&&a=1&&", b"a", b"=x", b"=", b"a=b=c", b"a=b+c%2Bd", b"a=%zz%4", b"?a=1", b"a=%", b"a=%1",
    b"a=% 1", b"a=%+1", b"a=%2", b"a=%25%32%30", b"%61=1", b"a=\xff", b"a=%FF", b"%C3=1", b"a=%ED%A0%80", b"a=%C0%AF",
    b"a=%F4%90%80%80", b"a=%c3%a9", "a=é€😀".encode(), b"a=%E2%82%AC+%F0%9F%98%80", b"\xef\xbb\xbfa=1", b"a=%EF%BB%BF",
    b"__proto__=1&constructor=2&toString=3", b"a=%00", b"a=\0", b"a=1;b=2", b"a[]=1&a[]=2", b"a\n=1\r\n", b"a=%0D%0Ab",
    b"a=\xc3", b"a=%C3&b=%A9", b"a=%e2%28%a1", b"a=" + b"x" * 8192, b"a=" + b"x" * 8193, b"n" * 64 + b"=1", b"n" * 65 + b"=1",
    "é".encode() * 32 + b"=", "é".encode() * 33 + b"=", b"&".join([b"a=1"] * 100), b"&".join([b"a=1"] * 101),
    b"&".join([b"a=%FF"] * 101), b"&" * 5000 + b"a=1", b"%3D=%26", b"a=\x80", b"a=\xf0\x9f\x98", b"a=\xed\xb0\x80", b"+=+",
    b"a=\xfe\xff", b"%%%", b"%2", b"a=%u00e9", b"a=%2G", b"a=%G2",
]  # fmt: skip

JSON_BODIES = [
    b"", b" ", b"x", b"[]", b'"a"', b"1", b"null", b"true", b"{}", b' {"a":"x","b":["y","z"],"c":[]}\n', b'{"a":null}',
    b'{"a":{}}', b'{"a":[1]}', b'{"a":[["x"]]}', b'{"a":[{}]}', b'{"a":[null]}', b'{"a":[true]}', b'{"a":true,"b":false}',
    b'{"a":True}', b'{"a":tru}', b'{"a":truex}', b'{"a":1,"b":1.0,"c":1e2,"d":-0,"e":-0.0,"f":-5,"g":1E+2,"h":100e-2}',
    b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1.5}', b'{"a":1.}', b'{"a":.5}', b'{"a":01}', b'{"a":+1}',
    b'{"a":-}', b'{"a":1e}', b'{"a":1e+}', b'{"a":0x1}', b'{"a":1_0}', b'{"a":9007199254740991}', b'{"a":9007199254740992}',
    b'{"a":-9007199254740991}', b'{"a":9007199254740991.4}', b'{"a":9007199254740990.6}', b'{"a":1e400}', b'{"a":1e-400}',
    b'{"a":-1e-400}', b'{"a":0.1e1}', b'{"a":123456789012345678901234567890e-20}', b'{"a":' + b"9" * 6000 + b"}",
    b'{"a":0.' + b"0" * 5000 + b"1e5001}", b'{"a":"1","a":"2"}', b'{"a":1.5,"a":"x"}', b'{"a":NaN,"a":"x"}',
    b'{"a":{},"a":"x"}', b'{"a":[1],"a":"x"}', b'{"a":"\\ud800","a":"x"}', b'{"a":"1","b":"2","a":"3"}',
    b'{"2":"b","1":"a","x":"c"}', b'{"a":"\\ud83d\\ude00"}', b'{"a":"\\ud83d"}', b'{"a":"\\ude00\\ud83d"}',
    b'{"a":"\\ud83d\\u0041"}', b'{"\\udc00":"x"}', b'{"a":["\\ud800"]}', b'{"a":"\\u00e9\\u20AC"}', b'{"a":"\\u00g0"}',
    b'{"a":"\\u12"}', b'{"a":"\\x41"}', b'{"a":"\\""}', b'{"a":"\\/\\b\\f\\n\\r\\t\\\\"}', b"{'a':'x'}", b'{"a":"\n"}',
    b'{"a":"\t"}', b'{"a":"\x7f"}', b'{"a":"\0"}', b'{"a":"\\u0000"}', b'{"a":"x"}{}', b'{"a":"x",}', b'{,"a":"x"}', b'{"a"}',
    b'{"a":}', b'{"a" : "x" , "b" : [ "y" , "z" ] }', b'{"a":["x",]}', b'{"a":[,]}', b'{"a":"x"', b'{"a":"x', b'{"a":["x"',
    b'{a:"x"}', b'{"a":"x"}\x0b', b'\x0c{"a":"x"}', b'{"a":"x"}\xc2\xa0', b'\xef\xbb\xbf{"a":"x"}', b'{"a":"\xff"}',
    b'{"a":"\xed\xa0\x80"}', b'\xff\xfe{\0}\0', b'{"":"x"}', b'{"":""}', b'{"__proto__":"x","constructor":"y"}',
    b'{"__proto__":{"a":"x"}}', '{"é€😀":"é€😀"}'.encode(), b"[" * 60_000, b'{"a":' * 12_000, b'{"a":' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"a":' + b"[" * 9000 + b"]" * 9000 + b',"a":"x"}', b'{"a":' + b'{"b":' * 20 + b'"x"' + b"}" * 20 + b',"a":"x"}',
    b'{"a":"' + b"x" * 8192 + b'"}', b'{"a":"' + b"x" * 8193 + b'"}', json.dumps({"a": ["x"] * 100}).encode(),
    json.dumps({"a": ["x"] * 101}).encode(), json.dumps({f"n{n}": "" for n in range(101)}).encode(),
    json.dumps({"n" * 65: "x"}).encode(), json.dumps({"a": [1] * 101}).encode(), b'{"a":"x"}//', b'/**/{"a":"x"}', b'{"a":""}',
    b'{"a":true,"a":false}', b'{"a":1,"a":2.0}', b"{\r\n\t}", b'{"a":"x"} ', b'{"a":-"x"}', b'{"a":--1}', b'{"a":1 2}',
]  # fmt: skip

PIECES = [
    b"&", b"=", b"+", b"%", b"%4", b"%C3%A9", b"%ff", b"\xff", b"\xc3\xa9", b"\0", b'"', b"\\", b"\\u", b"\\ud83d", b"\\u0041", b"{",
    b"}", b"[", b"]", b",", b":", b" ", b"\n", b"1", b"1.0", b"-0", b"1e2", b"9007199254740993", b"NaN", b"true", b"null", b'"a"',
    b'"a":', b'"a":"x",', "😀".encode(), b"\xed\xa0\x80", b"0", b".", b"e", b"-",
]  # fmt: skip

LENGTHS = [
    None, "0", "65536", "65537", "000000000000000000065536", "9" * 5000, "0" * 5000, "", "-1", "+1", "1e3", "1 ", " 1", "0x10", "1, 1",
    "١", "1\n", "1.0", "65_536", "²",
]  # fmt: skip

MEDIA_TYPES = [
    None, "", "application/json", "APPLICATION/JSON", "application/x-www-form-urlencoded", "application/json; charset=utf-8",
    'application/json;charset="UTF-8"', "application/json;", "application/json;;", "application/json; ; charset=utf-8",
    "application/json; profile=x; charset=utf-8", "application/json; charset=latin1", "application/json; charset=",
    "application/json; charset=utf8", 'application/json; charset=""utf-8""', 'application/json; charset="utf-8',
    "application/json; charset=utf-8; charset=latin1", "application/json; charset = utf-8", "application/json;charset=utf-8 ",
    'application/json; a="b\\"c"', 'application/json; a="b;c"; charset=utf-8', "multipart/form-data; boundary=x", "text/plain",
    "application/json, application/json", "application/jsonx", "application /json", "\tapplication/json\t;\tcharset=utf-8\t",
    "application/json\n", "application/json;\n", "\xa0application/json", "application/json; é=1", "application/json; charset=utf-8é",
    "application/json; charset='utf-8'", "APPLICATION/X-WWW-FORM-URLENCODED;CHARSET=UTF-8", "application/\u212ason", "*/*",
]  # fmt: skip

TEXTS = [
    "", "a", "A", "b.pdf", "The bóok.txt", "a b", "a/b\\c", 'x"y', "x'y", "x;y", "<b>&amp;</b>", "😀", "a😀b", "\ufffd", "\ue000", "\uffff",
    "\U00010000", "\U0010ffff", "é", "e\u0301", "ß", "İ", "\u212a", "~_-.", "100%", "%41", "a+b", "!*'()", "#?&=", "\t a \n", "\x0b\x0c",
    "\x1c\x1d\x1e\x1f", "\x85x\x85", "\xa0x\xa0", "\ufeffx\ufeff", "\u2028x\u2029", "\u3000 \u1680", "\u180e", "\u200b", "\x00", "\x7f",
    "\x80", "\xad", "\u0378", "\U000e0001", "\ue000x", "https://site.example/é/?q=ü#😀", "https://site.example/a b|c", "0", "1", "42",
    "007", "-1", "1.5", "999999999999999", "9999999999999999", "١٢", "²", "1e3", " 5", "5 ", "x" * 300, "é" * 300,
]  # fmt: skip

EMAILS = [
    "", "a@b.co", "Ana.Ruiz@Example.COM", "a@b", "@b.co", "a@", "a", "a@@b.co", "a@b@c.co", "a b@c.co", ".a@b.co", "a.@b.co", "a..b@c.co",
    '"a"@b.co', "a@b.c1", "a@1.2", "a@b.123", "a@xn--bcher-kva.example", "a@b.xn--p1ai", "a@b.xn--", "a@bücher.example", "ü@b.co",
    "ü@bücher.example", "a@-b.co", "a@b-.co", "a@b..co", "a@.co", "a@b.co.", "a@[1.2.3.4]", "a(c)@b.co", "a@b.co\n", "a\r\n@b.co",
    "!#$%&'*+/=?^_`{|}~-@b.co", "x" * 64 + "@b.co", "x" * 65 + "@b.co", "a@" + "b" * 63 + ".co", "a@" + "b" * 64 + ".co",
    "a@" + ".".join(["b" * 60] * 4) + ".co", "a@" + "b." * 124 + "co", "a@" + "b." * 126 + "co", "x" * 255, "é" * 254, "😀" * 254,
    "😀" * 255, "a@b.\u212a", "a@\u212a.co", "a@b_c.co", "a@b.c", "a@B.CO", "a,b@c.co", "a@b.co>", "a\0@b.co", "a@b.co ",
]  # fmt: skip

SOURCES = [
    "", "{}", "[]", "x", "null", '{"first":{"utm_source":"a"}}', '{"last":{"page":"/x/","gclid":"1"},"first":{}}',
    '{"first":{"utm_source":1,"utm_medium":"b","other":"c","utm_A":"d","utm_":"e"}}', '{"first":{"utm_source":""}}',
    json.dumps({"last": {"landing": "x" * 256, "page": "x" * 257}}), json.dumps({"last": {"landing": "😀" * 40}}),
    '{"last":{"page":"a\\u0000b","landing":"a\\nb","referrer":"a\\u0085b"}}', '{"last":{"page":"\\ud83d","landing":"\\ud83d\\ude00"}}',
    '{"last":{"page":"a"},"last":{"landing":"b"}}', '{"last":{"page":"a","page":"b"}}', '{"last":{"page":"a"},"x":1.5}',
    '{"last":{"page":"a"},"x":1e2}', '{"last":{"page":"a"},"x":NaN}', '{"last":{"page":"a"},"x":[[[{}]]]}', '{"last":"x","first":[]}',
    '{"last":{"utm_z":"1","utm_a":"2","ttclid":"3","li_fat_id":"4","msclkid":"5","fbclid":"6"}}', '{"__proto__":{"page":"x"}}',
    '{"last":{"__proto__":"x","constructor":"y","page":"z"}}', '{"last":{"page":"' + "x" * 1100 + '"}}',
    '{"last":{"page":"x"},"y":"' + "x" * (1024 - 33) + '"}', '{"last":{"page":"x"},"y":"' + "x" * (1024 - 29) + '"}',
    '{"last":{"page":"x"},"y":' + "[" * 400 + "]" * 400 + "}", '{"é":"é","last":{"utm_é":"x","page":"é"}}',
]  # fmt: skip

PATTERNS = [
    "[A-Z]{3}", r"\d{4}", r"\d+", r"\w+", r"\s*", r"\S+", r"\D\W", "a|b", "(a|b)c", "(?:ab)?c", ".", "..", ".*", "a{2,}", "a{2,3}?b", "a{x}", "a{",
    "a{}", "{", "}", "]", "x]y", "[]a]", "[^]a]", "[a-]", "[-a]", r"[\d-]", r"[\s\w]", r"[^\S]", r"[\S]", "[[]", "[a[b]", r"[\]\\]", r"\.", r"\-",
    r"\@", r"\_", r"\ ", r"\/", r"\é", r"\t", r"\a", r"\x41", r"\u0041", r"\u00e9", r"\U0001f600", r"\0", r"\012", r"\07x", r"[\x41-\x43]", "^a$",
    "a$", "^", "$", "a*+a", "a*+", "a?+b", "(ab)?+c", "[ab]{1,2}+c", "a*?b", "a+?", "a??", "é+", "😀", "[😀é]", "[^😀]", "a||b", "()", "(a|)", "", "!#%&,:;<=>",
    "~`@", "[!-~]+", "[+*?.|()^$]+", "a-b", "(a)(b)", "[a-z]+@[a-z]+", r"\+?[0-9 ()-]{5,}", r"[\w.-]+", r"(?:\d{2}:)?\d{2}", "/", "[/]", r"[\-a]", r"[a\-z]",
    r"[\^a]", "[a^]", r"\$", r"[.]", "a{,2}", "a{0}", "[0-9]{4,10}", r"[^\d\s]", r"[\W]", r"\W", "((a))", "(a(b|c)d)?",
]  # fmt: skip

PATTERN_VALUES = [
    "a", "b", "ab", "aa", "aaa", "aab", "aaab", "c", "abc", "ac", "bc", "abd", "acd", "ABC", "1234", "12:34", "١٢٣٤", "é", "éé", "😀", "-", "]", "[", "\\", "{", "}",
    "a{", "a{x}", "a{}", "x]y", " ", "\xa0", "\u2028", "\ufeff", "_", "@", "/", ".", "A", "C", "!#%&,:;<=>", "~`@", "+*?.|()^$", "a-b", "a@b", "+49 (30) 123-45",
    "ſ", "\u212a", "\x85", "\x1c", "0", "z", "$", "^", "x-y.z_1", "²", "aaaa", "ß",
]  # fmt: skip

CHALLENGE = {
    "kind": "proof-of-work", "field": "_mg_pow", "secret_env": "", "hostname": "site.example", "action": "news", "bits": 8,
    "is_proof": True,
}  # fmt: skip

TIMES = [
    "", "0", "1780000000000", "999999999999999", "9999999999999999", "-1", "2026-06-01", "2026-02-29", "2024-02-29", "2026-13-01",
    "2026-00-10", "2026-06-00", "2026-06-31", "0000-01-01", "0001-01-01", "0099-12-31", "1900-02-29", "2000-02-29", "9999-12-31",
    "2026-06-01T10:00", "2026-06-01 10:00", "2026-06-01T10:00:00", "2026-06-01T10:00:00.1", "2026-06-01T10:00:00.1239",
    "2026-06-01T10:00:00.123999", "2026-06-01T10:00:00.1239999", "2026-06-01T10:00:00Z", "2026-06-01T10:00Z", "2026-06-01T10:00:00+02:00",
    "2026-06-01T10:00:00-23:59", "2026-06-01T10:00:00+24:00", "2026-06-01T10:00:00+01:60", "2026-06-01T10:00:00 02:00", "2026-06-01Z",
    "2026-06-01+02:00", "2026-06-01T24:00", "2026-06-01T23:60", "2026-06-01T23:59:60", "2026-06-01T10", "2026-06-01T1000", "20260601",
    "2026-W23-1", "2026-W23", "2026-6-1", " 2026-06-01", "2026-06-01T10:00:00z", "2026-06-01t10:00", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59", "1969-12-31T23:59:59.9995", "yesterday", "٢٠٢٦-٠٦-٠١", "2026-06-01T10:00:00,5", "1969-12-31T23:59:59.0001Z",
]  # fmt: skip

VALUES: list[Any] = [
    None, True, False, 0, -1, 2**53 - 1, "", "a", 'q"\\/', "\b\f\n\r\t\0\x1f\x7f", "é€😀\u2028\u2029", [], {}, [1, "a", None, [True]],
    {"b": 1, "a": {"d": [], "c": {}}}, {"\U00010000": 1, "\uffff": 2, "é": 3}, {"2": 1, "10": 2, "1": 3}, {"__proto__": 1, "a": 2},
]  # fmt: skip

URLS = [
    "", "https://site.example", "https://site.example/", "https://site.example/api", "https://Site.Example:8443/api/", "http://a:80/x", "https://a:443",
    "http://a:443", "https://user:pw@a.b/c", "https://u@v@a.b/c", "https://a.b?q#f", "https://a.b/#f?q", "//a.b/c", "/only/path", "mailto:a@b.co", "HTTPS://A.B/C",
    "https://[::1]:8080/api", "https://[2001:DB8::1]/", " https://a.b ", "https://a\t.b\n/c", "https://a.b/c//", "1https://a.b", "a+b.c-d://e", "https:/a.b", "https:a.b",
    ":x", "https://a.b:/c", "ftp://a.b/", "https://a.b/é", "https://é.example/", "https:///x",
]  # fmt: skip

PUBLIC_URLS = [
    "https://a.b:99999", "https://a.b:x", "https://a.b:-1", "https://[::1", "https://[zz]/", "https://a.b/?q=1", "https://a.b/#f", "example.com/api", "https://a.b:0",
    "https://a.b:8080/api///", "http://localhost:8787/api",
]  # fmt: skip

PAGES: list[dict[str, Any]] = [
    {},
    {"title": "Ana & Söhne <Lab>"},
    {
        "pages": {
            "confirm": "<style>a{}</style><script>x</script>\n  <p>{{button}} {{ button }} {{errors}}</p><SCRIPT src=x></SCRIPT>\x85\ufeff.",
            "problem": "{{errors}}{{back}}$& $1 {{back}}<script>\n</script\n><script>",
            "expired": "",
        },
        "words": {"button_confirm_download": "Bestätigen & laden", "button_": "?", "button_confirm": ""},
    },
]


def mutated(rng: random.Random, body: bytes) -> bytes:
    """A body with a few of its bytes changed, doubled or gone."""
    made = bytearray(body[:400])
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(made))
        match rng.randrange(4):
            case 0:
                made[at:at] = rng.choice(PIECES)
            case 1:
                del made[at : at + rng.randint(1, 3)]
            case 2:
                made[at:at] = made[max(0, at - 5) : at]
            case _:
                made[at : at + 1] = bytes((rng.randrange(256),))
    return bytes(made)


def addresses(rng: random.Random) -> Iterator[str]:
    """Clients' addresses, sound and otherwise."""
    yield from (
        "", "unknown", "10.0.0.1", "10.0.0.1:8080", "10.0.0.1:", "10.0.0.1:123456", "010.0.0.1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "0.0.0.0",
        "1.2.3.4%eth0", "1.2.3.4/8", "[1.2.3.4]", "[1.2.3.4]:80", " 1.2.3.4", "1.2.3.4\n", "1.2.3.4:80\n", "١.٢.٣.٤", "1.2.3.²", "::", "::1", "1::",
        "::ffff:1.2.3.4", "::FFFF:102:304", "::ffff:1.2.3.256", "::ffff:0:1.2.3.4", "0:0:0:0:0:ffff:1.2.3.4", "[::ffff:1.2.3.4]:80", "64:ff9b::1.2.3.4",
        "2001:db8::1", "2001:DB8:0:0:1::1", "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1:", ":2001:db8::1", "2001:db8:::1", "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "0:0:0:1::", "0:1:0:1::", "1:0:0:1::",
        "12345::", "g::", "::g", "fe80::1%eth0", "[fe80::1%25]", "[fe80::1%25eth0]", "[fe80::1]", "[fe80::1]:443", "[::1", "::1]", "::1:80", "[::1]:x", "2001:db8::/32",
        "::%", "%", ":", ":::", "1:", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "2001:db8::0001", "2001:db8::00001", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4",
        "0:0:0:0::", "a:0:b:0::", "0:0:0:0:1:2:3:4", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    )  # fmt: skip
    for _ in range(400):
        parts = [rng.choice(["", "0", "1", "00", "ffff", "abc", "10.0.0.1"]) for _ in range(rng.randint(3, 9))]
        if "10.0.0.1" in parts[:-1]:
            parts = [part if "." not in part else "2" for part in parts]
        yield ":".join(parts)


def changed(token: str) -> Iterator[str]:
    """A token with one character changed, added or gone: each must be refused."""
    for at in range(0, len(token), 7):
        yield token[:at] + "A" + token[at + 1 :]
        yield token[:at] + token[at + 1 :]
    yield from (
        token + "=",
        token + "\n",
        " " + token,
        token.replace("mg1", "mg2"),
        token + "A" * 1024,
        token.replace(".k1.", ".k2."),
    )
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    yield from (token[:-1] + char for char in alphabet)


def payloads(lead: str) -> Iterator[str]:
    """Payloads of tokens that are signed, right and wrong."""
    right = {"e": "0", "f": '"news"', "i": "1", "n": '"AAAAAAAAAAAAAAAAAAAAAA"', "p": '"confirm"', "s": f'"{lead}"'}

    def made(**more: str | None) -> str:
        items = {name: value for name, value in {**right, **more}.items() if value is not None}
        return "{" + ",".join(f'"{name}":{value}' for name, value in items.items()) + "}"

    yield from (
        "[]",
        "1",
        "{}",
        "x",
        "",
        "null",
        "[" * 500,
        '{"e":0}',
        made(),
        made() + " ",
        " " + made(),
        made() + "x",
        "\ufeff" + made(),
    )
    for value in (
        "0.0", "1.0", "1e2", "-0", "-1", "true", "null", '"1"', "9007199254740991", "9007199254740992", "1" + "0" * 200, "NaN", "[]", "00",
    ):  # fmt: skip
        yield made(e=value)
        yield made(i=value)
    for name in right:
        yield made(**{name: None})
        yield made(**{name: "null"})
        yield made(**{name: '""'})
        yield made(**{name: right[name] + f',"{name}":{right[name]}'})
    yield from (
        made(f='"../x"'),
        made(f='"News"'),
        made(s='"a@b.co"'),
        made(p='"download"'),
        made(n='"x"'),
        made(x='"y"'),
        made(__proto__='"y"'),
    )
    yield from (
        made(a='"book"'),
        made(a='""'),
        made(a="1"),
        made(a="null"),
        made(a='"\\ud800"'),
        made(a='"é"'),
        made(f='"news\\n"'),
    )


def solutions(now: int) -> Iterator[str]:
    """Proofs of work, of which some are right."""
    start = f"mg1/8/news/site.example/{now}/0123456789abcdef/"
    number = next(n for n in range(100_000) if sha256(f"{start}{n}".encode()).digest()[0] == 0)
    right = f"{start}{number}"
    yield from (
        right,
        right + " ",
        right + "\n",
        f"{start}0{number}",
        right.replace("mg1/8", "mg1/08"),
        right.replace("mg1/8", "mg1/7"),
    )
    yield from (
        right.replace("news", "other"),
        right.replace("site", "Site"),
        right.upper(),
        right + "/",
        "",
        "x" * 600,
        "mg1" + "/" * 600,
    )
    yield from (f"{start}{n}" for n in range(20))
    yield from (
        right.replace(str(now), str(now + 300)),
        right.replace(str(now), f"0{now}"),
        right.replace("0123456789abcdef", "0123"),
    )


def clients() -> Iterator[dict[str, str]]:
    """Headers by which a client is taken for a script or a browser."""
    accepts = (
        "", "*/*", "application/json", "text/html", "text/html,application/json", "application/json;q=0.9,text/html;q=0.8", "APPLICATION/JSON", "text/*",
        "application/*", "application/*;q=0.5, text/html;q=0.4", "text/html;q=0,*/*", "application/json; q=0.5, text/html; q=0.5", "application/json;q=1.0001",
        "application/json;q=x, text/html;q=0.1", "application/json;q=, text/html;q=0", "application/json;q=2", "application/json;q=1.000,text/html;q=0.999",
        "application/json;v=1;q=0.1,*/*;q=0.2", "," * 40 + "application/json", "a/b," * 31 + "application/json", "x" * 990 + ",application/json", "\xa0application/json\x85",
        "application/json;q=0.", "application/json;q=.5", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json;q=0.1;q=0.9,*/*;q=0.5",
    )  # fmt: skip
    for accept in accepts:
        for kind in ("", "application/json", "Application/JSON ; charset=utf-8", "text/plain", "application/json\x85"):
            yield {name: value for name, value in (("accept", accept), ("content-type", kind)) if value}


def sites(document: dict[str, Any]) -> Iterator[Any]:
    """Documents of sites, whole and lacking."""
    yield document
    yield {**document, "title": "", "unknown": 1, "public_url": "https://site.example/a/b//"}
    yield {**document, "base_url": "https://Blog.example:8443/x/", "public_url": "http://h:80/"}
    yield from (None, [], {}, 1, {"v": 2}, {"v": "1"}, {**document, "v": 1.5})
    for name in document:
        yield {key: value for key, value in document.items() if key != name}
    form = document["forms"]["all"]
    for name in form:
        yield {**document, "forms": {"all": {key: value for key, value in form.items() if key != name}}}
    proof_of_work = {"kind": "proof-of-work", "field": "_mg_pow", "hostname": "h", "action": "all", "bits": 9}
    turnstile = {"kind": "turnstile", "secret_env": "S"}
    for challenge in (
        proof_of_work,
        turnstile,
        {"kind": "turnstile"},
        {"kind": "proof-of-work"},
        {"kind": "x"},
        {},
        None,
    ):
        yield {**document, "forms": {"n" * 40: {**form, "challenge": challenge, "per_hour": 7}}}
    for name in ("", "Upper", "a" * 65, "-a", "a_b", "a\n", "constructor", "1"):
        yield {**document, "forms": {name: form}}
    for notify in ([], ["crm"], ["email:a@b.co"], ["email:a@b.co", "crm", "gone"]):
        yield {**document, "forms": {"all": {**form, "notify": notify}}}
    fields = [
        {"name": "a", "more": 1},
        {"name": "constructor", "type": "tel", "label": "Ü"},
        {"name": "b", "type": "new"},
    ]
    yield {**document, "forms": {"all": {**form, "fields": fields, "title": "😀\uffff"}}}
    yield {**document, "forms": {"all": {**form, "fields": [{"type": "text"}]}}}
    yield {**document, "forms": {"all": {**form, "consent": [{"name": "a"}]}}}
    yield {**document, "assets": {"x": {"file": "f", "size": 1, "sha256": "s", "url": "u"}}}
    yield {**document, "assets": {"x": {"file": "f"}}}
    magnet = {"kind": "ebook", "title": "T", "valid_for": 600, "assets": ["book", "book.epub"], "holes": {"join_url": "x"},
              "code": "A", "codes": ["B", "C"], "url": "https://x", "label": "L", "more": 1}  # fmt: skip
    for name in magnet:
        yield {**document, "magnets": {"book": {key: value for key, value in magnet.items() if key != name}}}
    yield {**document, "magnets": {"constructor": {"kind": "", "url": "x"}, "x": {**magnet, "title": ""}}}
    for key, values in _ODD_IN_MAGNETS.items():
        for value in values:
            yield {**document, "magnets": {"book": {**magnet, key: value}}}
    things: list[dict[str, Any]] = [
        {},
        {"codes": []},
        {"code": "", "url": ""},
        {"codes": [], "url": "x"},
        {"assets": ["book"]},
    ]
    for given in things:
        yield {**document, "magnets": {"book": {"kind": "x", **given}}}
    odd: list[Any] = [None, [], "x", 1]
    for entry in odd:
        yield {**document, "magnets": {"book": entry}}


_ODD_IN_MAGNETS: dict[str, list[Any]] = {
    "valid_for": [0, 1, 1.0, 1.5, -5, 31_622_400, 31_622_401, 1e300, True, None, "600", "0x10", [], {}],
    "codes": [None, "ABC", [], [""], ["A", 1], ["A", None], {"A": 1}, ["A", "A"]],
    "assets": [None, "book", [1], [""], []],
    "holes": [None, [], "x", {"join_url": 1}, {"join_url": None}, {"a": ""}],
    "title": [None, 1, [], True],
    "kind": [None, 1, [], 0],
    "code": [None, 1, ["A"], True],
    "url": [None, 1, {}],
    "label": [None, 1, False],
}

_VALUES = [
    "", " ", "a@b.co", " Ana@B.CO ", "yes", "on", "ON", "Yes", "true", "1", "0", "no", "FALSE", "maybe", "red", "S", "L", "a", "b", "c", "ABC", "abc", "12.5", "-1,5", "1e3",
    "https://x.example/a", "HTTPS://X", "https://x y", "httpſ://x", "https://x/\ufeff", "ftp://x", "line\r\nline", "line\rline", "a\tb", "a\0b", "a\x85b", "😀" * 21, "x" * 21,
    "x" * 5001, "x" * 8192, "é€😀", "\ufeffx", "\x0bx\x0b", "constructor",
]  # fmt: skip


def submission(rng: random.Random, form: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """What a form is sent, in both kinds of bodies."""
    names = [field["name"] for field in form["fields"]] + [consent["name"] for consent in form["consent"]]
    names += ["_mg_hp", "_mg_t", "_mg_idem", "other", "__proto__", "constructor"]
    pairs = [(rng.choice(names), rng.choice(_VALUES)) for _ in range(rng.randint(0, 6))]
    if rng.random() < 0.7:
        pairs.append(("email", "ana@example.com"))
    yield "application/x-www-form-urlencoded", "&".join(f"{quote_plus(n)}={quote_plus(v)}" for n, v in pairs).encode()
    several: dict[str, Any] = {}
    for name, value in pairs:
        several.setdefault(name, []).append(value)
    yield "application/json", json.dumps({n: v if rng.random() < 0.5 else v[0] for n, v in several.items()}).encode()
