// Keeps the page for when there is no network. files.js tells its version and what it is made of:
// when one file changes, so does files.js, and with it the browser's view of this script.
importScripts("files.js");

const { version, files, shell } = self.PAGE;
// Other pages of the same host share the caches.
const mine = `ferboost ${self.registration.scope} `;
const cacheName = mine + version;

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

async function answer(event, path) {
  const cache = await caches.open(cacheName);
  const kept = await cache.match(path);
  if (kept !== undefined) return kept;
  const response = await fetch(path, { cache: "no-cache" });
  if (response.status === 200) event.waitUntil(cache.put(path, response.clone()));
  return response;
}
