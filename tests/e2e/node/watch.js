// SPDX-License-Identifier: MIT
// watch.js URL USER PASSWORD EXTENSION - a page with JsSIP: it subscribes, says on a line of its own what each answer and
// NOTIFY brings, and ends its subscription when its standard input ends.
globalThis.WebSocket = require("ws");
const JsSIP = require("jssip");

const [url, user, password, extension] = process.argv.slice(2);
const tell = (what, text = "") => process.stdout.write(`${what} ${JSON.stringify(text)}\n`);
const ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(url)], uri: `sip:${user}@example.com`, password,
    register: false });

ua.on("disconnected", event => tell("disconnected", String(event.reason)));
ua.on("connected", () => {
    const subscriber = ua.subscribe(`sip:${extension}@example.com`, "dialog", "application/dialog-info+xml",
        { expires: 60 });

    subscriber.on("accepted", () => tell("accepted"));
    subscriber.on("notify", (final, request, body, type) => tell("notify", `${type} ${body}`));
    subscriber.on("terminated", (code, reason) => {
        tell("terminated", `${code} ${reason}`);
        process.exit(); // ua.stop() waits for seconds
    });
    process.stdin.on("end", () => subscriber.terminate()).resume();
    subscriber.subscribe();
});
ua.start();
