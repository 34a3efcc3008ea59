// The service's API, as the page uses it.

const KEY = "hailo-vision-key"; // in localStorage

/** What the service refuses; status 0: it can't be reached. */
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const UNREACHABLE = "The service can't be reached.";

export function keep(key) {
  if (key) localStorage.setItem(KEY, key);
  else localStorage.removeItem(KEY);
}

async function request(path, options = {}) {
  const key = localStorage.getItem(KEY);
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  const response = await fetch(path, { cache: "no-store", ...options, headers }).catch((error) => {
    throw error.name === "AbortError" ? error : new Refusal(UNREACHABLE, 0);
  });
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const body = await response.json().catch(() => ({}));
  const message = body.error?.message ?? `The service answered with status ${response.status}.`;
  const seconds = response.headers.get("Retry-After");
  return new Refusal(seconds ? `${message} Try again in ${seconds} s.` : message, response.status);
}

export const health = async () => (await request("health", { signal: AbortSignal.timeout(10_000) })).json();

/** Throws a Refusal with status 401 if a key is wanted, or another one. */
export const checkKey = () => request("v1/models");

/** The events of a streamed answer. Aborting the signal closes the connection, which stops the NPU. */
export async function* answer(body, signal) {
  const response = await request("v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, stream: true }),
    signal,
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw error.name === "AbortError" ? error : new Refusal("The connection was lost.", 0);
    });
    if (done) throw new Refusal("The connection was lost.", 0);
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "data: [DONE]") return;
      if (!line.startsWith("data: ")) continue;
      const event = JSON.parse(line.slice(6));
      if (event.error) throw new Refusal(event.error.message, 500);
      yield event;
    }
  }
}
