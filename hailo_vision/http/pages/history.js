// The chats of this browser, in its IndexedDB: pictures are too large for localStorage.

const STORE = "chats";

const opened = new Promise((resolve, reject) => {
  const request = indexedDB.open("hailo-vision", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
opened.catch(() => {}); // whoever uses it is told

async function run(mode, action) {
  const transaction = (await opened).transaction(STORE, mode);
  const request = action(transaction.objectStore(STORE));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

export const all = () => run("readonly", (store) => store.getAll());
export const load = (id) => run("readonly", (store) => store.get(id));
export const save = (chat) => run("readwrite", (store) => store.put(chat));
export const forget = () => run("readwrite", (store) => store.clear());
