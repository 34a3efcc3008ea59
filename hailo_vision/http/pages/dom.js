// Small helpers for what is on a page.

export const $ = (id) => document.getElementById(id);

/** An element with properties of its own (textContent, className, ...) and children. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Change a text only if it is another one: screen readers read each change of a status aloud. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
