// What the service says of itself: a line in the header, and below it what there is to do or to wait for.

import { $, say } from "./dom.js";
import { checkKey, health, keep } from "./service.js";

const SENTENCES = {
  starting: "The service is starting.",
  fetching: "The model file is being fetched. You can ask as soon as it is loaded.",
  loading: "The model is being loaded onto the NPU.",
  unloading: "The model is being unloaded.",
  unloaded: "The model is not loaded. Your next question loads it, so its answer takes longer.",
  restarting: "The NPU process is being restarted.",
  failed: "The NPU can't work.",
  stopped: "The service is stopping.",
};
const COLOURS = { ready: "good", generating: "good", unloaded: "good", failed: "bad", stopped: "bad" };
const UNREACHABLE = "The service can't be reached. Check that the Pi is on and that this device is in its " +
  "network. This page keeps trying.";
const [OFTEN_MS, SELDOM_MS] = [1000, 5000];

export let model = "";
let before = ""; // the state of the last time
let since = 0; // when it began
let timer = 0;

async function show() {
  let report;
  try {
    report = await health();
  } catch {
    report = { state: "unreachable" };
  }
  if (report.state !== before) [before, since] = [report.state, Date.now()];
  model = report.model ?? model;
  const waiting = report.queue?.waiting ? `, ${report.queue.waiting} waiting` : "";
  say($("state"), `${model} ${report.state}${waiting}`.trim());
  $("state").dataset.colour = report.state === "unreachable" ? "bad" : COLOURS[report.state] ?? "busy";
  if (report.device) $("emulated").hidden = !report.device.emulated;
  const { problem } = report;
  const sentence = report.state === "unreachable" ? UNREACHABLE : SENTENCES[report.state] ?? "";
  const why = problem ? ` ${problem.message}\nWhat to do: ${problem.cure}` : "";
  say($("sentence"), (sentence + why).trim());
  $("banner").tabIndex = problem ? 0 : -1; // it may have to be scrolled
  $("detail").hidden = !problem?.detail;
  say($("detail").querySelector("pre"), problem?.detail ?? "");
  showProgress(report);
  const settled = report.state in COLOURS && !problem;
  return settled ? SELDOM_MS : OFTEN_MS;
}

function showProgress({ state, fetch }) {
  $("progress").hidden = !["starting", "fetching", "loading", "restarting"].includes(state);
  const bar = $("progress").querySelector("progress"), text = $("progress").querySelector("span");
  if (fetch?.bytes_total) {
    bar.value = fetch.bytes_done / fetch.bytes_total;
    text.textContent = `${Math.floor(100 * bar.value)} % of ${(fetch.bytes_total / 1e9).toFixed(1)} GB`;
  } else {
    bar.removeAttribute("value");
    text.textContent = `${Math.round((Date.now() - since) / 1000)} s`;
  }
}

/** Show the state from now on. */
export async function watch() {
  const pause = document.hidden ? SELDOM_MS : await show();
  clearTimeout(timer);
  timer = setTimeout(watch, pause);
}

document.addEventListener("visibilitychange", watch);

// ---- the key

/** Ask for a key, and say why. */
export function askForKey(reason) {
  $("key").hidden = false;
  say($("key-note"), reason);
  $("key-value").focus();
}

/** Ask for a key if the service wants one that this browser does not have. */
export async function checkAccess(accepted) {
  $("key").onsubmit = async (event) => {
    event.preventDefault();
    keep($("key-value").value.trim());
    const refused = await refusedKey();
    if (refused) return askForKey(`That did not work: ${refused}`);
    $("key").hidden = true;
    $("key-value").value = "";
    accepted();
  };
  if (await refusedKey()) askForKey("");
}

const refusedKey = () => checkKey().then(() => "", (error) => error.status === 401 ? error.message : "");
