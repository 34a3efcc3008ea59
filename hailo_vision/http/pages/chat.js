// The page at /: pictures in, questions asked, answers streamed. No framework, no build step.

const LONGEST_SIDE = 1024; // the model sees 336 x 336 pixels: more only makes the upload slower
const HEALTH_MS = 5000;

const $ = (id) => document.getElementById(id);
const log = $("log"), question = $("question"), pictures = $("pictures"), note = $("note");

let model = "";
let messages = []; // the conversation, as the API takes it
let attached = []; // data URIs of the pictures of the next question
let running = null; // AbortController of the answer that streams

// ---- pictures

async function attach(files) {
  note.textContent = "";
  for (const file of files) {
    if (!file.type.startsWith("image/")) {
      note.textContent = `${file.name || "This"} is no picture.`;
      continue;
    }
    attached.push(await dataUri(file));
  }
  showAttached();
  question.focus();
}

async function dataUri(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    return drawn(bitmap, Math.max(1, bitmap.width * scale), Math.max(1, bitmap.height * scale));
  } catch {
    return read(file); // not for this browser; the service may know it, or says what is wrong
  }
}

function drawn(source, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width);
  canvas.height = Math.round(height);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.9);
}

function read(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

function showAttached() {
  pictures.replaceChildren(...attached.map((uri, index) => {
    const item = document.createElement("li");
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove picture ${index + 1}`);
    remove.onclick = () => {
      attached.splice(index, 1);
      showAttached();
      question.focus();
    };
    item.append(image(uri, `Picture ${index + 1}`), remove);
    return item;
  }));
}

function image(uri, alt) {
  const element = new Image();
  element.src = uri;
  element.alt = alt;
  return element;
}

for (const [button, input] of [["choose", "file"], ["camera", "snap"]]) {
  $(button).onclick = () => button === "camera" && navigator.mediaDevices ? openCamera() : $(input).click();
  $(input).onchange = async ({ target }) => {
    await attach([...target.files]);
    target.value = "";
  };
}

document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) {
    event.preventDefault();
    attach(files);
  }
});

let dragDepth = 0;
const dragging = (change) => {
  dragDepth = Math.max(0, dragDepth + change);
  $("drop").hidden = dragDepth === 0;
};
document.addEventListener("dragenter", (event) => { event.preventDefault(); dragging(1); });
document.addEventListener("dragleave", () => dragging(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  dragging(-dragDepth);
  attach([...event.dataTransfer.files]);
});

// ---- camera: a live view where the browser permits one (https or localhost), else the phone's own

async function openCamera() {
  const dialog = $("viewfinder"), video = dialog.querySelector("video");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    $("snap").click();
    return;
  }
  video.srcObject = stream;
  dialog.querySelector('[value="cancel"]').onclick = () => dialog.close();
  dialog.querySelector('[value="take"]').onclick = () => {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
    attached.push(drawn(video, video.videoWidth * scale, video.videoHeight * scale));
    showAttached();
    dialog.close();
  };
  dialog.onclose = () => {
    stream.getTracks().forEach((track) => track.stop());
    question.focus();
  };
  dialog.showModal();
}

// ---- asking

async function ask(text) {
  const content = attached.map((url) => ({ type: "image_url", image_url: { url } }));
  content.push({ type: "text", text });
  messages.push({ role: "user", content });
  showTurn("user", text, attached);
  attached = [];
  showAttached();
  const turn = showTurn("assistant", "", []);
  turn.classList.add("waiting");
  setRunning(new AbortController());
  const answer = { text: "", timings: null };
  try {
    await stream(answer, turn);
    if (answer.timings) figures(turn, answer.timings);
  } catch (error) {
    fail(turn, answer, error);
  }
  turn.classList.remove("waiting");
  if (answer.text) messages.push({ role: "assistant", content: answer.text });
  else messages.pop(); // the question can be asked again
  setRunning(null);
}

async function stream(answer, turn) {
  const response = await fetch("v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model, messages, stream: true }),
    signal: running.signal,
  });
  if (!response.ok) throw new Error(await reason(response));
  for await (const event of events(response.body)) {
    if (event.error) throw new Error(event.error.message);
    const piece = event.choices[0]?.delta.content;
    if (event.timings) answer.timings = event.timings;
    if (!piece) continue;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    answer.text += piece;
    turn.querySelector("p").textContent = answer.text;
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("The connection was lost.");
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "data: [DONE]") return;
      if (line.startsWith("data: ")) yield JSON.parse(line.slice(6));
    }
  }
}

async function reason(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `The service answered ${response.status}.`;
  }
}

function fail(turn, answer, error) {
  if (error.name === "AbortError") {
    if (!answer.text) turn.querySelector("p").textContent = "Stopped.";
    return;
  }
  turn.classList.add("failed");
  const message = error instanceof TypeError ? "The service can't be reached." : error.message;
  turn.querySelector("p").textContent = answer.text ? `${answer.text}\n\n${message}` : message;
}

function showTurn(role, text, uris) {
  $("welcome").hidden = true;
  const turn = document.createElement("article");
  turn.className = `turn ${role}`;
  turn.setAttribute("aria-label", role === "user" ? "You" : "Answer");
  if (uris.length) {
    const images = document.createElement("div");
    images.className = "images";
    images.append(...uris.map((uri, index) => image(uri, `Picture ${index + 1} of the question`)));
    turn.append(images);
  }
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  turn.append(paragraph);
  log.append(turn);
  log.scrollTop = log.scrollHeight;
  return turn;
}

function figures(turn, timings) {
  const line = document.createElement("div");
  line.className = "figures";
  const first = (timings.queue_ms + timings.prompt_ms) / 1000;
  line.textContent =
    `${timings.predicted_n} tokens, first after ${first.toFixed(1)} s, ` +
    `then ${timings.predicted_per_second.toFixed(1)} a second` +
    (timings.cache_n ? `; ${timings.cache_n} tokens remembered` : "");
  turn.append(line);
  log.scrollTop = log.scrollHeight;
}

function setRunning(controller) {
  running = controller;
  $("stop").hidden = !controller;
  $("send").hidden = Boolean(controller);
  log.setAttribute("aria-busy", String(Boolean(controller)));
}

$("ask").onsubmit = (event) => {
  event.preventDefault();
  const text = question.value.trim();
  if (running || !text) {
    question.focus();
    return;
  }
  note.textContent = "";
  question.value = "";
  ask(text);
};

question.onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("ask").requestSubmit();
  }
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running) running.abort();
});

$("stop").onclick = () => {
  running?.abort();
  question.focus();
};

$("fresh").onclick = () => {
  running?.abort();
  messages = [];
  attached = [];
  showAttached();
  note.textContent = "";
  log.querySelectorAll(".turn").forEach((turn) => turn.remove());
  $("welcome").hidden = false;
  question.focus();
};

for (const starter of $("starters").children) {
  starter.onclick = () => {
    question.value = starter.textContent;
    question.focus();
    if (attached.length) $("ask").requestSubmit();
  };
}

// ---- state

const COLOURS = { ready: "ready", generating: "ready", failed: "failed", stopped: "failed" };

async function showState() {
  const state = $("state");
  try {
    const health = await (await fetch("health")).json();
    model = health.model;
    const queue = health.queue.waiting ? `, ${health.queue.waiting} waiting` : "";
    const what = health.problem ? `: ${health.problem.message} ${health.problem.cure}` : queue;
    const emulated = health.device.emulated ? " (emulated NPU)" : "";
    state.textContent = `${health.model}${emulated} is ${health.state}${what}`;
    state.dataset.state = COLOURS[health.state] ?? "busy";
  } catch {
    state.textContent = "the service can't be reached";
    state.dataset.state = "failed";
  }
}

showState();
setInterval(() => document.hidden || showState(), HEALTH_MS);
