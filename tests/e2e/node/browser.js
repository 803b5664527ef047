// SPDX-License-Identifier: MIT
// browser.js CHROMIUM - a browser without a window, by remote control: each line of standard input is a JSON text with a
// function's body, which gets (page, context, axe) and whose result is the line that is answered, {"result":...} or {"fault":...}.
// Whatever the page writes to its console as an error (unless faults.expected, a RegExp, fits it), or asks of another host, is a
// fault of the next line.
const readline = require("readline");
const { chromium } = require("playwright-core");
const axe = require("axe-core");

const AsyncFunction = (async () => {}).constructor;

async function main() {
    const browser = await chromium.launch({ executablePath: process.argv[2], args: ["--no-sandbox", "--disable-dev-shm-usage"] });
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
    const page = await context.newPage();
    const faults = [];

    page.setDefaultTimeout(20000);
    page.on("pageerror", error => faults.push(String(error)));
    page.on("console", message => {
        // A refused login is written there by the browser itself.
        if (message.type() === "error" && !/status of 40[13]/.test(message.text()) && !faults.expected?.test(message.text()))
            faults.push(message.text());
    });
    page.on("request", request => {
        if (!/^(https?|wss?|data):/.test(request.url()) || (!request.url().startsWith("data:") && new URL(request.url()).hostname !== "127.0.0.1"))
            faults.push(`it asks for ${request.url()}`);
    });
    for await (const line of readline.createInterface({ input: process.stdin })) {
        let answer;
        try {
            answer = { result: (await new AsyncFunction("page", "context", "axe", "faults", JSON.parse(line))(page, context, axe, faults)) ?? null };
        } catch (error) {
            answer = { fault: String(error) };
        }
        if (faults.length)
            answer = { fault: faults.splice(0).join("; ") };
        process.stdout.write(`${JSON.stringify(answer)}\n`);
    }
    await browser.close();
}

main();
