// Lighthouse on each address of the command line, in one Chromium: `node run.mjs URL…`. Prints one JSON object a line.
import * as chromeLauncher from "chrome-launcher";
import lighthouse from "lighthouse";

const chrome = await chromeLauncher.launch({
  chromePath: process.env.CHROMIUM || "/usr/bin/chromium",
  chromeFlags: [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
try {
  for (const url of process.argv.slice(2)) {
    const { lhr } = await lighthouse(url, { port: chrome.port, output: "json", logLevel: "error" });
    const scores = Object.fromEntries(Object.entries(lhr.categories).map(([id, c]) => [id, c.score]));
    const value = (id) => lhr.audits[id].numericValue;
    const failed = Object.values(lhr.audits).filter((a) => a.score !== null && a.score < 0.9).map((a) => a.id);
    const measured = { lcp_ms: value("largest-contentful-paint"), cls: value("cumulative-layout-shift"), tbt_ms: value("total-blocking-time") };
    console.log(JSON.stringify({ url, scores, ...measured, failed, warnings: lhr.runWarnings, error: lhr.runtimeError?.message }));
  }
} finally {
  await chrome.kill();
}
