"""Odd values by kind: what parsers, tables and runtimes read differently, and the edges of every limit."""

from __future__ import annotations

import base64
import random

TEXTS = (
    "", " ", "Ana", "  Ana \t", "\x0b", "\xa0Zoë\xa0", "\u2028", "\ufeffx", "x\ufeff", "\x85", "\x1c", "a\x00b", "\x1b[0m",
    "a\r\nb", "a\rb", "\r\n", "a\nb", "a\tb", "\x7f", "\x9f", "é", "e\u0301", "ß", "İ", "ı", "ſ", "K", "ﬃ", "😀", "👩‍👩‍👧",
    "\U0010ffff", "\ufffe", "‮abc", "<b>&\"'`</b>", "{{email}}", "${x}", "$& $1 \\1", "=1+1", "null", "true", "on", "YES",
    "Yes", "0", "1", "no", "false", "S", "L", "a", "b", "c", "a & b", "I do", "red", "blue", "blue ", "ABC", "abc", "ABCD",
    "ΑΒΓ", "2026", "٢٠٢٦", "1999", "12,5", "-1.5", "+1", "1.", ".5", "1e5", "١", "-0", "a b", "_9", "wörd", "日本", "ab\u2028c", "\ud7ff",
    "https://x.co", "HTTP://x", "https://", "http:// x", "ftp://x.co", "https://git.example/a", "https://git.example/",
    "https://ü.example/?q=#", "https://x.co/\u3000y", "https://x.co\x85", "javascript:alert(1)", "//x.co", "x" * 21, "x" * 20,
    "😀" * 20, "😀" * 21, "+49 30", "0" * 11,
)  # fmt: skip

NUMBERS = (
    "2500",
    "12,5",
    "-1.5",
    "+1",
    "1.",
    ".5",
    "1e5",
    "-0",
    "1 000",
    "1,2,3",
    "--1",
    "٣",
    "0" * 41,
    "1999",
    "3000",
    "2026\n",
    "",
)
"""For fields of numbers."""

LABEL = "a" * 63
EMAILS = (
    "ana@example.com", "Ana@Example.COM", " ana@example.com ", "ana@example.com\n", "ana@example.com\r\nBcc: x@y.co", "a@b.co",
    "a@b", "a@b.c", "a@.co", "a@b..co", "a@-b.co", "a@b-.co", "a@b.co-", "a@b.1co", "a@b.xn--p1ai", "a@b.xn--", "a@b.c0m", "a@1.2.3.4",
    "a@[1.2.3.4]", "@b.co", "a@", "a", "", "a@b@c.co", "\"a b\"@c.co", "a(b)@c.co", "a.@b.co", ".a@b.co", "a..b@c.co", "a.b.c@d.co",
    "!#$%&'*+/=?^_`{|}~-@x.co", "ä@x.co", "a@bücher.de", "a@xn--bcher-kva.de", "a@x.co.", "a@x.CO", "a@ÉX.co", "a@x.İo", "a@x.Ko", "a b@x.co",
    "a@x .co", "a\x00@x.co", "a\t@x.co", "=?utf-8?q?a?=@x.co", "a@" + LABEL + ".co", "a@a" + LABEL + ".co",
    "l" * 64 + "@x.co", "l" * 65 + "@x.co", "a@" + ".".join([LABEL] * 3) + ".co", "a@" + ".".join([LABEL] * 3) + "." + "b" * 59,
    "a@" + ".".join([LABEL] * 3) + "." + "b" * 60, "a@" + ".".join([LABEL] * 3) + "." + "b" * 61, "x" * 300, "ana@example.com,b@x.co",
    "Ana <ana@example.com>", "mailto:ana@example.com", "ana@example.com\u2028", "\ufeffana@example.com", "ana＠example.com", "a@x。co",
)  # fmt: skip

PIECES = (
    b"", b"&", b"=", b"==", b"=v", b"email", b"email=", b"%", b"%=%", b"%zz=1", b"a=%C3", b"a=%C3%28", b"a=%ff", b"first_name=%00",
    b"a=%ED%A0%80", b"a=%F4%90%80%80", b"a=%C0%80", b"a=\xc3", b"a=\xff\xfe", b"first_name=\xc3\xa9", b"%66irst_name=x", b"first+name=x",
    b"first_name=a+b%2Bc", b"first_name=%4", b"first_name=%4g", b"first_name=%%41", b"first_name=%e2%80%a8", b"first_name=%E2%82",
    b"first_name=\xef\xbb\xbfx", b"first_name=x\x00", b"first_name=a%0D%0Ab", b"message=a%0D%0Ab%0Dc%0Ad", b"message=%0D%0A%0D%0A",
    b"message=\r\nraw\r", b"first_name=a;b=c", b"first_name=%F0%9F%98%80", b"first_name=%F0%9F%98", b"__proto__=x", b"constructor=x",
    b"toString=1", b"hasOwnProperty=1", b"constructor=toolongvalue", b"first_name=a&first_name=b", b"email=a@x.co&email=a@x.co", b"tags=a&tags=b",
    b"tags=a&tags=a", b"tags=&tags=", b"tags=z", b"tags=a&tags=z", b"tags=%F0%9F%98%80", b"agree=on", b"agree=maybe", b"agree=YES", b"once=I do",
    b"once=on", b"once=i+do", b"letters=yes", b"letters=on&letters=on", b"letters=", b"letters=nope", b"calls=TRUE", b"size=S", b"size=s",
    b"size=a+%26+b", b"colour=blue", b"colour=blue+", b"[]=1", b"tags[]=a", b"email%00=x", b"\xef\xbb\xbfemail=bom@x.co", b"?email=q@x.co",
    b"last=1", b"ref=12345", b"ref=123456", b"%5F%5Fproto%5F%5F=x", b"x=1=2=3", b"n%C3=1", b"1=2", b"+=+",
)  # fmt: skip

JSON_VALUES = (
    '""', '"x"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\ude00\\ud83d"', '"a\\u0000b"', '"\\u000a"', '"\\/\\b\\f"', '"\\x41"', '"\\u00e9"',
    '"\\U0041"', '"a\nb"', '"\t"', "\"\u2028\"", "'x'", "true", "false", "null", "True", "NaN", "Infinity", "-Infinity", "-NaN", "0", "-0", "-0.0",
    "1", "1.0", "1e2", "1E+2", "1e-2", "100e-2", "1.5", "01", "+1", "1.", ".5", "1e400", "-1e400", "1e-400", "9007199254740991", "9007199254740992",
    "9007199254740993", "-9007199254740991", "-9007199254740993", "9007199254740991.0", "9007199254740991.4", "90071992547409910e-1", "0x10", "1_0", "1" * 400,
    "0." + "0" * 400 + "1", "1" + "0" * 15 + "e-15", "[]", "[\"a\"]", "[\"a\",\"b\"]", "[\"a\",\"a\"]", "[\"a\",1]", "[[\"a\"]]", "[null]", "[true]", "[\"\\ud800\"]",
    "{}", "{\"a\":1}", "[\"a\",]", "\"unclosed", "\"\\", "12 ", "tru", "\"😀\"", "\"\ufeff\"",
)  # fmt: skip

JSON_WHOLE = (
    b"", b" ", b"{}", b"[]", b"null", b"1", b"\"x\"", b"true", b"{", b"}", b"{}{}", b"{} x", b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"{\"a\":1,}",
    b"{,}", b"{\"a\" 1}", b"{a:1}", b"{'a':1}", b"// c\n{}", b"/**/{}", b"{\"email\":\"a@x.co\"}\x00", b"\x0b{}", b"\xc2\xa0{}", b"\xe2\x80\xa8{}", b"\x0c{}",
    b"\t\n\r {\t\"email\"\n:\r\"ws@x.co\" } \n", b"{\"email\":\"a@x.co\",\"email\":\"b@x.co\"}", b"{\"__proto__\":{\"email\":\"a@x.co\"}}", b"{\"__proto__\":\"x\"}",
    b"{\"constructor\":\"x\",\"toString\":\"y\"}", b"{\"\":\"\"}", b"{\"\\ud800\":\"x\"}", b"{\"a\":\"\xff\"}", b"{\"a\":\"\xed\xa0\x80\"}", b"{\"1\":\"a\",\"0\":\"b\"}",
    b"[" * 3000, b"[" * 400 + b"]" * 400, b"{\"a\":" * 3000, b"{\"a\":" + b"[" * 200 + b"]" * 200 + b"}", b"{\"a\":{\"b\":{\"c\":{}}}}",
)  # fmt: skip

TYPES = (
    "application/json", "APPLICATION/JSON", " application/json ", "application/json;", "application/json; charset=utf-8", "application/json;charset=UTF-8",
    "application/json; charset=\"utf-8\"", "application/json; charset='utf-8'", "application/json; charset=utf8", "application/json; charset=",
    "application/json; charset=iso-8859-1", "application/json; charset=utf-8; charset=latin-1", "application/json; foo=\"a;b\"", "application/json; foo=\"a\\\"b\"",
    "application/json; foo", "application/json;;", "application/json; ;charset=utf-8", "application/json\t;\tcharset=utf-8", "application/json; charset = utf-8",
    "application/json, application/json", "application/json/", "application/ json", "application/jsonx", "application/vnd.api+json", "text/json",
    "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8", "Application/X-WWW-Form-URLEncoded;Charset=\"UTF-8\"",
    "application/x-www-form-urlencoded; charset=windows-1252", "multipart/form-data; boundary=x", "text/plain", "*/*", "", ";", "application/json;x=\xe9",
)  # fmt: skip

ACCEPTS = (
    "application/json", "text/html", "*/*", "", "text/*", "application/*", "text/html, application/json", "application/json;q=0.5, text/html;q=0.4",
    "application/json;q=0.4, text/html;q=0.5", "application/json;q=0, */*", "text/html;q=0, */*;q=0.1", "application/json;q=1.0000, text/html", "application/json;q=0.",
    "application/json;q=2", "application/json;Q=0.9,text/html;q=0.8", "application/json; q = 0.9, text/html;q=0.8", "application/json;q=.5", "application/json;q=0.1234",
    "application/json;q=0.5;q=0.1,text/html;q=0.3", "text/html;level=1;q=0.3, application/json;q=0.2", "application/json;q=1.0, text/html;q=1.000", ",,,application/json",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "APPLICATION/JSON", "application/json ; q=0.9", "application /json", "application/json;q=-1",
    "a/b," * 31 + "application/json", "a/b," * 32 + "application/json", "x" * 990 + ",application/json", "application/json;" + "x" * 1100, "application/problem+json",
    "*/*;q=0.5, text/html;q=0.4", "application/*;q=0.7, */*;q=0.8", "application/json\xa0", "application/json;q=1\xb2", "application/json;q=0.5,application/json;q=0,text/html;q=0.2",
)  # fmt: skip

ORIGINS = (
    "https://site.example", "https://site.example/", "https://SITE.example", "http://site.example", "https://site.example:443", "https://www.site.example", "null",
    "", "https://evil.example", "https://leads.example.net:8443", "http://127.0.0.1:8787", "http://127.0.0.1:8000", "https://site.example https://evil.example", "file://",
)  # fmt: skip

REFERERS = (
    "https://site.example/a/?q=1#x", "https://site.example", "https://site.example.evil/", "https://site.example/" + "p" * 600, "http://127.0.0.1:8000/x", "null", "",
    "https://site.example/\xe9", "https://site.example/\xad", "https://site.example/\xa0", "https://site.example/%20x", "https://www.site.example/y", "/relative",
)  # fmt: skip

RANGES = (
    "bytes=0-0", "bytes=0-", "bytes=5-9", "bytes=20-99", "bytes=25-25", "bytes=26-", "bytes=26-30", "bytes=-1", "bytes=-0", "bytes=-26", "bytes=-99", "bytes=5-2",
    "bytes=-", "bytes=", "bytes=0-999999999999999999", "bytes=0-9999999999999999999", "bytes=999999999999999999-", "bytes=0-1,3-4", "Bytes=0-1", "bytes =0-1", "bytes=0 -1",
    "items=0-1", "0-1", "bytes=0x1-2", "bytes=00-01", "bytes=a-b", "", "\xa0bytes=0-1", "bytes=\xb2-",
)  # fmt: skip
ETAGS = ('"' + "ab" * 32 + '"', 'W/"' + "ab" * 32 + '"', "ab" * 32, '"x"', "", "Wed, 21 Oct 2026 07:28:00 GMT", "*")

KEYS = (
    "k" * 15, "k" * 16, "A-Z_a-z0123456789", "k" * 128, "k" * 129, "short", "key with spaces 0", "kéy-0123456789abc", "", "~" + "a" * 64, "\t" + "k" * 16 + " ",
    "__proto__________", "k" * 16 + ",", "0123456789abcdef0123456789abcdef",
)  # fmt: skip

TIMERS = (
    "0",
    "1",
    "1999",
    "2000",
    "2001",
    "3999",
    "4000",
    "9999",
    "10000",
    "60000",
    "",
    " 2500 ",
    "-1",
    "1.5",
    "2e3",
    "abc",
    "٢٥٠٠",
    "9" * 15,
    "9" * 16,
    "0" * 15,
    "2500\x00",
)

SOURCES = (
    "", "{}", "[]", "null", "x", '{"first":{"utm_source":"x"},"last":{"page":"/a/?b#c","referrer":"https://r.example/"}}', '{"last":{"page":"/b/"}}', '{"last":{"page":"//evil"}}',
    '{"last":{"page":"b"}}', '{"last":{"page":"/\u00e9😀"}}', '{"last":{"page":"/\\ud800"}}', '{"last":{"page":"/a\\u0000"}}', '{"last":{"page":""}}', '{"last":[]}', '{"first":"x"}',
    '{"first":{"utm_source":1,"utm_medium":null,"utm_x":["a"],"gclid":{}}}', '{"first":{"utm_":"x","utm_A":"x","utm_a_b":"y","utm_\u00e9":"z","UTM_A":"q"}}', '{"first":{"utm_zz":"1","utm_aa":"2","fbclid":"3","landing":"4"}}',
    '{"first":{"utm_source":"' + "x" * 256 + '"}}', '{"first":{"utm_source":"' + "x" * 257 + '"}}', '{"first":{"utm_source":"' + "😀" * 240 + '"}}', '{"first":{"utm_' + "a" * 32 + '":"x"}}', '{"first":{"utm_' + "a" * 33 + '":"x"}}',
    '{"last":{"ttclid":"a","ttclid":"b"},"other":1.5}', '{"last":{"ttclid":"a"},"other":1}', '{"last":{"ttclid":"a"},"n":NaN}', '{"last":{"ttclid":"a"},"n":1e400}', '{"last":{"ttclid":"a"},"deep":' + "[" * 300 + "]" * 300 + "}",
    '{"__proto__":{"first":{"gclid":"x"}}}', '{"first":{"__proto__":"x","constructor":"y","li_fat_id":"z"}}', '{"first":{"utm_source":"x\\n"}}', '{"first":{"utm_source":"\\u0085"}}', '{"first":{"utm_source":"\u2028"}}', '{"first":{"utm_source":" x "}}',
    '{"last":{"page":"/x","page":"/y"}}', '{"last":{"page":true}}', ' {"last" : {"page":"/ws"}} ', '{"last":{"page":"/ws"},}', '{"last":{"msclkid":"' + "a" * 980 + '"}}', '{"last":{"utm_a":"' + "a" * 200 + '"},"x":"' + "b" * 790 + '"}', '{"last":{"utm_a":"' + "é" * 100 + '"},"x":"' + "é" * 480 + '"}',
    '{"no_origin":true,"took_ms":1}', '{"_challenge":{"answer":"x","once":"y"}}', '\ufeff{}', '{"last":{"page":"/p?x"},"first":{"page":"/q"}}',
)  # fmt: skip

CLIENTS = (
    "203.0.113.9", "2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:DB8:1:2::3", "::ffff:203.0.113.9", "::ffff:cb00:7109", "[2001:db8::1]:443", "203.0.113.9:8080", "fe80::1%eth0", "unknown", "", "1.2.3",
    "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "::", "0:0:0:0:0:0:0:0", "1::2::3", "2001:db8:0:0:1::", "203.0.113.9, 192.0.2.5", "a, b, c", " 203.0.113.9 ,", "::1.2.3.4", "64:ff9b::1.2.3.4", "[::1]", "1.2.3.4:99999", "1.2.3.4:999999", "_hidden", "\"[::1]:4711\"",
    "203.0.113.9%eth0", "0x7f.1", "２.2.2.2",
)  # fmt: skip

SINCE = (
    "0", "1780000000000", "999999999999999", "9999999999999999", "2026-05-28", "2026-05-28T20:26:40", "2026-05-28T20:26:40Z", "2026-05-28T20:26:40z", "2026-05-28 20:26:40", "2026-05-28T20:26:40+00:00", "2026-05-28T20:26:40%2B02:00",
    "2026-05-28T20:26:40%2B0200", "2026-05-28T20:26:40%2B02", "2026-05-28T20:26:40.123456", "2026-05-28T20:26:40.1", "2026-05-28T20:26:40,123", "20260528", "20260528T202640", "20260528T2026", "2026-W22-4", "2026W224", "2026-W22", "2026-148", "2026-5-28",
    "2026-02-30", "2026-13-01", "2026-05-28T24:00", "2026-05-28T25:00", "2026-05-28T20", "2026-05-28T20:26", "2026-05-28T20:26:60", "0001-01-01", "9999-12-31T23:59:59", "0000-01-01", "yesterday", "-1", "1e3", "2026-05-28T20:26:40-23:59", "2026-05-28T20:26:40-24:00",
    "2026-05-28T20:26:40%2B02:00:30", "2026-05-28x20:26", "2026-05-28T20:26:40.1234567", "2026-05-28T", " 2026-05-28", "2026-05-28T20:26:40Z ", "0001-01-01T00:00:00%2B02:00", "2026-05-28T20:2640", "202605-28", "2026-05-28t20:26", "٢٠٢٦-05-28", "2026-W53-1", "2026-W22-0", "2020-W53-7",
)  # fmt: skip

QUERIES = (
    "", "limit=1", "limit=2", "limit=200", "limit=201", "limit=0", "limit=", "limit=007", "limit=0200", "limit=1e1", "limit=%31", "limit=+1", "limit=١", "form=plain", "form=", "form=nothing", "form=%ff", "form=a&form=plain",
    "status=pending", "status=confirmed", "status=unsubscribed", "status=accepted", "status=held", "status=quarantined", "status=x", "status=", "state=due", "state=done", "state=dead", "state=leased", "state=x", "x=1", "limit", "limit=1&", "&limit=1", "&", "=",
    "limit=1&&form=plain", "limit=1;form=plain", "limit=1&limit=2", "%6Cimit=1", "l+imit=1", "after=", "after=1-" + "0" * 32, "after=9999999999999-" + "f" * 32, "after=1-x", "after=1-" + "A" * 32, "after=1234567890123456-" + "0" * 32, "after=99999999999999%2D" + "0" * 32,
    "since=0&limit=5", "status=held&form=turn", "&".join(f"form={n}" for n in range(10)), "&".join(f"form={n}" for n in range(11)), "limit=5%00", "form=pl%61in&status=confirmed", "form=double&limit=3&status=pending", "limit=1=2", "__proto__=1", "constructor=1",
)  # fmt: skip

ADMIN_BODIES = (
    b"{}", b"[]", b"", b"{\"email\":1}", b"{\"email\":[\"a@x.co\",\"b@x.co\"]}", b"{\"email\":\"\"}", b"{\"email\":\"x\"}", b"{\"email\":\"a@b\xc3\xbccher.de\"}", b"{\"email\":true}", b"{\"email\":null}", b"{\"email\":\"nobody@x.co\",\"x\":\"y\"}",
    b"email=a@x.co", b"{\"email\":\" ana@example.com \"}", b"{\"email\":\"" + b"x" * 9000 + b"\"}", b"\xff", b"{\"email\":\"a@x.co\"", b"{\"Email\":\"a@x.co\"}", b"{\"__proto__\":\"a@x.co\"}", b"{\"email\":\"l@" + b"a" * 300 + b"\"}",
)  # fmt: skip

PATHS = (
    "/", "//", "/forms", "/forms/", "/forms//plain", "/forms/plain/", "/forms/Plain", "/forms/pl%61in", "/forms/plain%00", "/forms/plain?x=1", "/forms/plain%3Fx", "/forms/plain%2F", "/forms/plain%20", "/forms/__proto__", "/forms/constructor", "/forms/toString",
    "/forms/%ff", "/forms/%", "/forms/%zz", "/forms/%e2%82%ac", "/forms/plain;a=b", "/forms/plain+", "/forms/-a", "/forms/" + "a" * 64, "/forms/" + "a" * 65, "/forms/plain\"", "/forms/plain|", "/forms/plain{}", "/forms/plain^`", "/forms/plain~", "/forms/a%2Fplain",
    "/healthz", "/healthz/", "/healthz?x", "/readyz", "/readyz?full", "/Healthz", "/confirm", "/confirm/", "/confirm//", "/unsubscribe/", "/download/", "/download/a/b", "/admin", "/admin/", "/admin/leads/", "/admin//leads", "/admin/nothing", "/admin/leads/search/x", "/admin/submissions/x/release",
    "/admin/submissions/" + "0" * 32 + "/release", "/admin/submissions/" + "F" * 32 + "/release", "/admin/outbox/" + "0" * 32 + "/retry", "/admin/outbox/" + "0" * 31 + "/retry", "/admin/constructor", "/admin/__proto__", "/constructor/x", "/__proto__/x", "/favicon.ico", "/robots.txt", "/%66orms/plain",
)  # fmt: skip

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")


def sized(dice: random.Random) -> str:
    """A text at the edge of a limit, in letters of one, two, three or four bytes."""
    letter = dice.choice("aé€😀")
    return letter * dice.choice(
        (
            4,
            5,
            8,
            9,
            10,
            11,
            20,
            21,
            40,
            41,
            60,
            61,
            200,
            201,
            2047,
            2048,
            2049,
            2730,
            2731,
            4096,
            4097,
            5000,
            5001,
            8191,
            8192,
            8193,
        )
    )


def bent_token(dice: random.Random, token: str) -> str:
    """A genuine token, spoilt in one place."""
    at = dice.randrange(len(token))
    other = dice.choice([letter for letter in "AZ_-.+/= %" if letter != token[at]])
    parts = token.split(".")
    payload = parts[2] if len(parts) == 4 else ""
    return dice.choice((
        token[:at], token[at:], token + "=", token + ".", "." + token, token + "A", token[:-1], token.upper(), token.replace("mg1", "mg2"), token.replace(".k1.", ".k2."), token.replace(".k1.", ".__proto__."),
        token.replace(".k1.", ".."), token.replace(".", "%2E"), token.replace(".", "%2e", 1), token[:at] + "%" + format(ord(token[at]), "02x") + token[at + 1 :], token[:at] + other + token[at + 1 :],
        token + " ", "%20" + token, token + "%00", token + "%0A", token + "/", token + "/x", token + "?x=1", token + "%3Fx", token[:-1] + chr(ord(token[-1]) ^ 1), token.replace(payload, payload + "=="), token.replace(payload, payload + "A"),
        token.replace(payload, base64.urlsafe_b64encode(b"{}").decode().rstrip("=")), token + "A" * (1024 - len(token)), token + "A" * (1025 - len(token)), "x", "mg1", "mg1...", "mg1.k1.e30." + "A" * 43, "%ff", "%C3%A9", "\"" + token, "m" * 1100,
    ))  # fmt: skip
