// The page at /: questions about pictures, and answers as they come. No framework, no build step.

import { $, element } from "./dom.js";
import * as history from "./history.js";
import * as pictures from "./pictures.js";
import { EXAMPLE, problemOf } from "./schema.js";
import { answer, keep } from "./service.js";
import { askForKey, checkAccess, model, watch } from "./state.js";

const CUT_OFF = "The answer was cut off: no more tokens were left for it.";
const NO_ANSWER = "There is no answer: the page was left too early.";

const log = $("log"), question = $("question"), schema = $("schema");

// rounds: [{question, pictures, schema, answer, figures, problem}], all texts but the pictures' data URIs
let chat = { id: 0, rounds: [] };
let running = null; // AbortController of the answer that streams

// ---- asking

async function ask(round) {
  const mine = chat, turn = turnOf(round), stopper = new AbortController();
  Object.assign(round, { answer: "", figures: "", problem: "" });
  setRunning(stopper);
  await save(mine);
  turn.classList.add("waiting");
  showAnswer(turn, round);
  try {
    await receive(round, mine, turn, stopper.signal);
    if (!round.answer) round.problem ||= "The model answered with nothing.";
  } catch (error) {
    round.problem = error.name === "AbortError" ? "Stopped." : error.message;
    if (error.status === 401) askForKey(error.message);
    watch(); // the state may say why
  }
  turn.classList.remove("waiting");
  showAnswer(turn, round);
  scroll();
  if (running === stopper) setRunning(null);
  await save(mine);
}

async function receive(round, { rounds }, turn, signal) {
  const earlier = rounds.slice(0, rounds.indexOf(round)).filter((one) => one.answer);
  const messages = [
    ...earlier.flatMap((one) => [userMessage(one), { role: "assistant", content: one.answer }]),
    userMessage(round),
  ];
  const json = round.schema && { name: "answer", schema: JSON.parse(round.schema) };
  const format = json && { response_format: { type: "json_schema", json_schema: json } };
  const started = performance.now();
  let first = 0;
  for await (const event of answer({ model, messages, ...format }, signal)) {
    const choice = event.choices[0];
    if (choice?.delta.content) {
      first ||= performance.now() - started;
      round.answer += choice.delta.content;
      const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
      turn.querySelector(".text").textContent = round.answer;
      if (atEnd) scroll();
    }
    if (choice?.finish_reason === "length") round.problem = CUT_OFF;
    if (event.timings) round.figures = figuresOf(first, event.timings);
    if (event.json_report) round.problem ||= verdict(event.json_report);
  }
}

const userMessage = (round) => ({
  role: "user",
  content: [
    ...round.pictures.map((url) => ({ type: "image_url", image_url: { url } })),
    { type: "text", text: round.question },
  ],
});

function figuresOf(first, timings) {
  const parts = [
    `First word after ${(first / 1000).toFixed(1)} s`,
    `${timings.predicted_n} tokens, ${timings.predicted_per_second.toFixed(1)} a second`,
    `${timings.cache_n} of ${timings.cache_n + timings.prompt_n} prompt tokens reused`,
  ];
  return parts.join(" · ");
}

const verdict = (report) => report.valid ? "" : `The answer does not fit the schema: ${report.problem}.`;

function setRunning(controller) {
  running = controller;
  $("stop").hidden = !controller;
  $("send").hidden = Boolean(controller);
  log.setAttribute("aria-busy", String(Boolean(controller)));
}

// ---- showing

function addRound(round) {
  $("welcome").hidden = true;
  const asked = element("article", { className: "turn user", ariaLabel: "You" });
  if (round.pictures.length) {
    const image = (uri, index) => pictures.image(uri, `Picture ${index + 1} of the question`);
    asked.append(element("div", { className: "images" }, ...round.pictures.map(image)));
  }
  asked.append(element("p", { textContent: round.question }));
  const answered = element("article", { className: "turn assistant", ariaLabel: "Answer" });
  log.append(asked, answered);
  showAnswer(answered, round);
  scroll();
}

const turnOf = (round) => log.querySelectorAll(".assistant")[chat.rounds.indexOf(round)];

function showAnswer(turn, round) {
  const className = round.schema ? "text json" : "text";
  const parts = [element("p", { className, textContent: pretty(round) })];
  const waits = turn.classList.contains("waiting");
  const problem = round.problem || (round.answer || waits ? "" : NO_ANSWER);
  if (problem) parts.push(element("p", { className: "problem", textContent: problem }));
  if (round.figures) parts.push(element("p", { className: "figures", textContent: round.figures }));
  if (problem && !waits) {
    const again = element("button", { type: "button", className: "quiet", textContent: "Try again" });
    again.onclick = () => {
      if (!running) ask(round);
      question.focus(); // the button will be gone
    };
    parts.push(again);
  }
  turn.classList.toggle("failed", Boolean(problem) && !round.answer);
  turn.replaceChildren(...parts);
}

function pretty({ answer: text, schema: asked }) {
  if (!asked) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const scroll = () => { log.scrollTop = log.scrollHeight; };

function show(opened) {
  running?.abort();
  setRunning(null);
  chat = opened;
  window.history.replaceState(null, "", chat.rounds.length ? `#${chat.id}` : location.pathname);
  log.querySelectorAll(".turn").forEach((turn) => turn.remove());
  $("welcome").hidden = false;
  $("note").textContent = "";
  chat.rounds.forEach(addRound);
  schema.value = chat.rounds.at(-1)?.schema ?? "";
  showSchema();
  question.focus();
}

// ---- the form

$("ask").onsubmit = (event) => {
  event.preventDefault();
  const text = question.value.trim();
  if (running || !text) return question.focus();
  if (!showSchema()) return schema.focus();
  $("note").textContent = "";
  question.value = "";
  const round = { question: text, pictures: pictures.take(), schema: schema.value.trim() };
  chat.id ||= Date.now();
  chat.rounds.push(round);
  window.history.replaceState(null, "", `#${chat.id}`);
  addRound(round);
  ask(round);
  question.focus();
};

question.onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("ask").requestSubmit();
  }
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) running?.abort();
});

$("stop").onclick = () => {
  running?.abort();
  question.focus();
};

for (const starter of $("starters").children) {
  starter.onclick = () => {
    question.value = starter.textContent;
    question.focus();
    if (pictures.count()) $("ask").requestSubmit();
  };
}

/** Say what is wrong with the schema; whether nothing is. */
function showSchema() {
  const text = schema.value.trim();
  const problem = text && problemOf(text);
  $("json-state").textContent = text ? "on" : "off";
  $("schema-problem").textContent = problem;
  schema.setAttribute("aria-invalid", String(Boolean(problem)));
  if (problem) $("json").open = true;
  return !problem;
}

schema.oninput = showSchema;
$("example").onclick = () => {
  schema.value = EXAMPLE;
  showSchema();
};
$("no-schema").onclick = () => {
  schema.value = "";
  showSchema();
};

// ---- history

async function save(changed) {
  await history.save(changed).catch((error) => {
    $("note").textContent = `This browser does not keep the chat: ${error.message}`;
  });
}

$("fresh").onclick = () => show({ id: 0, rounds: [] });

$("earlier").onclick = async () => {
  const chats = await history.all().catch(() => []);
  const items = chats.reverse().map((one) => {
    const open = element("button", { type: "button", className: "quiet" });
    const day = element("small", { textContent: new Date(one.id).toLocaleString() });
    open.append(one.rounds[0].question, day);
    open.onclick = () => {
      $("history").close();
      show(one);
    };
    return element("li", {}, open);
  });
  $("chats").replaceChildren(...items);
  $("no-chats").hidden = Boolean(items.length);
  $("history").showModal();
};

$("history-close").onclick = () => $("history").close();

$("forget").onclick = async () => {
  running?.abort();
  await history.forget();
  keep("");
  $("history").close();
  show({ id: 0, rounds: [] });
};

// ---- start

const kept = Number(location.hash.slice(1));
if (kept) {
  const found = await history.load(kept).catch(() => null);
  if (found) show(found);
}
watch();
checkAccess(() => {
  const last = chat.rounds.at(-1);
  if (last && !last.answer && !running) ask(last);
  question.focus();
});
