/** The little that is needed to make elements. */

export function byId<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** Make an element; `content` is text, or its children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  content: string | (string | Node)[] = [],
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (typeof content === "string") element.textContent = content;
  else element.append(...content);
  return element;
}

/** Write text only where it differs, so that nothing is announced or laid out for no reason. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
