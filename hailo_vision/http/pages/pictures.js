// Pictures for the next question: dropped, pasted, chosen, or from the camera.

import { $, element } from "./dom.js";

const LONGEST_SIDE = 1024; // the model sees 336 x 336 pixels: more only makes the upload slower

let attached = []; // data URIs

/** The pictures for the question that is asked now; afterwards none are attached. */
export function take() {
  const taken = attached;
  attached = [];
  show();
  return taken;
}

export const count = () => attached.length;

export const image = (uri, alt) => element("img", { src: uri, alt });

async function attach(files) {
  const strangers = files.filter((file) => !file.type.startsWith("image/"));
  $("note").textContent = strangers.map((file) => `${file.name || "This"} is no picture.`).join(" ");
  for (const file of files) {
    if (!strangers.includes(file)) attached.push(await dataUri(file));
  }
  show();
  $("question").focus();
}

async function dataUri(file) {
  try {
    const bitmap = await createImageBitmap(file);
    return drawn(bitmap, bitmap.width, bitmap.height);
  } catch {
    return read(file); // not for this browser; the service may know it, or says what is wrong
  }
}

function drawn(source, width, height) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  const side = (length) => Math.max(1, Math.round(length * scale));
  const canvas = element("canvas", { width: side(width), height: side(height) });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // what is transparent would become black
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

function show() {
  $("pictures").replaceChildren(...attached.map((uri, index) => {
    const ariaLabel = `Remove picture ${index + 1}`;
    const remove = element("button", { type: "button", textContent: "×", ariaLabel });
    remove.onclick = () => {
      attached.splice(index, 1);
      show();
      $("question").focus();
    };
    return element("li", {}, image(uri, `Picture ${index + 1}`), remove);
  }));
}

for (const [button, input] of [["choose", "file"], ["camera", "snap"]]) {
  $(button).onclick = () => button === "camera" && navigator.mediaDevices ? openCamera() : $(input).click();
  $(input).onchange = async ({ target }) => {
    await attach([...target.files]);
    target.value = ""; // the same file may be chosen once more
  };
}

document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (!files.length) return;
  event.preventDefault();
  attach(files);
});

let dragDepth = 0; // each element that is dragged over tells of it
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

// A live view where the browser permits one (https or localhost), else the phone's own camera.
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
    attached.push(drawn(video, video.videoWidth, video.videoHeight));
    show();
    dialog.close();
  };
  dialog.onclose = () => {
    stream.getTracks().forEach((track) => track.stop());
    $("question").focus();
  };
  dialog.showModal();
}
