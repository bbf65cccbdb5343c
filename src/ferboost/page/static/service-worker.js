// Keeps the page for when there is no network. files.js tells its version and what it is made of:
// when one file changes, so does files.js, and with it the browser's view of this script.
importScripts("files.js");

const { version, files, shell } = self.PAGE;
// Other pages of the same host share the caches.
const mine = `ferboost ${self.registration.scope} `;
const cacheName = mine + version;
const patience = 3000; // milliseconds that a network may be silent where something is kept

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(cacheName);
      await cache.addAll(shell.map((path) => new Request(path, { cache: "no-cache" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const names = await caches.keys();
      const old = names.filter((name) => name.startsWith(mine) && name !== cacheName);
      await Promise.all(old.map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const scope = self.registration.scope;
  if (method !== "GET" || !url.startsWith(scope)) return;
  const path = url.slice(scope.length).replace(/[?#].*$/, "").replace(/^(index\.html)?$/, "./");
  if (files.includes(path)) event.respondWith(answer(event, path));
});

// Names in assets/ change with what is in them. All else is asked of the network first: the model
// may be another, and on http://127.0.0.1:8000 another program may run by now. The browser asks
// with what it has, so that a file that did not change is not sent again.
async function answer(event, path) {
  const cache = await caches.open(cacheName);
  const kept = await cache.match(path);
  if (kept === undefined) {
    const response = await ask(path);
    if (response.status === 200) event.waitUntil(cache.put(path, response.clone()));
    return response;
  }
  if (path.startsWith("assets/")) return kept;
  const asked = ask(path).catch(() => kept);
  return Promise.race([asked, new Promise((resolve) => setTimeout(resolve, patience, kept))]);
}

function ask(path) {
  // A page that is answered with a redirection must see it as one.
  return fetch(path, { cache: "no-cache", redirect: path === "./" ? "manual" : "follow" });
}
