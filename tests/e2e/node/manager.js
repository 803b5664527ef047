// SPDX-License-Identifier: MIT
// manager.js PORT USER SECRET - a switchboard with asterisk-manager, a client of Asterisk's manager interface: each line of
// its standard input is an action as JSON, each answer and event a line of its standard output. Ends with its input.
const Manager = require("asterisk-manager");

const [port, user, secret] = process.argv.slice(2);
const tell = (what, value) => process.stdout.write(`${what} ${JSON.stringify(value ?? null)}\n`);
const manager = Manager(Number(port), "127.0.0.1", user, secret, true);

manager.on("fullybooted", event => tell("booted", event));
for (const name of ["extensionstatus", "presencestatus", "devicestatechange", "messagewaiting"])
    manager.on(name, event => tell(name, event));
manager.on("error", error => tell("error", String(error)));
manager.on("close", () => process.exit());

require("readline").createInterface({ input: process.stdin })
    .on("line", line => manager.action(JSON.parse(line), (error, answer) => tell(error ? "failed" : "answer", error ?? answer)))
    .on("close", () => manager.disconnect());
