/** Gets all that the page needs, then closes the door behind it. */

import { Engine } from "./engine_client";
import type { ModelInfo } from "./engine/model_file";
import workerUrl from "./worker?worker&url";

declare const RUNTIME_FILE: string;

export interface Loaded {
  engine: Engine;
  model: ModelInfo;
}

/** Share of the bytes that have come, 0 to 1; null where the host does not say how many come. */
type OnProgress = (share: number | null) => void;

const patience = 3000;

export async function load(onProgress: OnProgress): Promise<Loaded> {
  await underServiceWorker();
  const [script, runtime, emotions, faces] = await downloadAll(
    [workerUrl, RUNTIME_FILE, "models/emotions.onnx", "models/faces.onnx"],
    onProgress,
  );
  seal();
  // A worker made of a blob is under the policy of the page that makes it; one that is fetched is not.
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const engine = new Engine(new Worker(url, { type: "module" }));
  const model = await engine.call("start", { runtime, emotions, faces }, [runtime, emotions, faces]);
  URL.revokeObjectURL(url);
  return { engine, model };
}

/**
 * Forbid the page, and the workers that it makes, to load or send anything from now on.
 *
 * A policy that is added can only take away. What is left: what the page has made itself.
 */
function seal(): void {
  const policy = document.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content =
    "default-src 'none'; script-src 'wasm-unsafe-eval'; worker-src blob:; img-src blob:; media-src blob:";
  document.head.append(policy);
}

/**
 * Have the service worker keep what is downloaded, where there is one: it works offline later.
 *
 * One that is new, since the page or its model is, is waited for: what goes through the one before
 * is deleted with it.
 */
async function underServiceWorker(): Promise<void> {
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (workers === undefined) return;
  await Promise.race([
    inControl(workers).catch(() => {
      // Offline, a private window, or a host without encryption: the page works with what it gets.
    }),
    new Promise((resolve) => setTimeout(resolve, patience)),
  ]);
}

async function inControl(workers: ServiceWorkerContainer): Promise<void> {
  const changed = new Promise((resolve) => {
    workers.addEventListener("controllerchange", resolve, { once: true });
  });
  const registration = await workers.register("service-worker.js", { updateViaCache: "none" });
  if (workers.controller !== null) await registration.update();
  const { installing, waiting, active } = registration;
  if (installing !== null || waiting !== null || active !== workers.controller) await changed;
}

async function downloadAll(urls: string[], onProgress: OnProgress): Promise<ArrayBuffer[]> {
  const totals: (number | null)[] = urls.map(() => null);
  const done = urls.map(() => 0);
  const tell = () => {
    const total = totals.reduce((sum, size) => (sum === null || size === null ? null : sum + size), 0);
    onProgress(total === null ? null : done.reduce((sum, size) => sum + size, 0) / total);
  };
  return Promise.all(
    urls.map(async (url, place) => {
      const response = await fetch(new URL(url, document.baseURI));
      if (!response.ok || response.body === null) {
        throw new Error(`${url} could not be loaded (${response.status})`);
      }
      const isPlain = response.headers.get("Content-Encoding") === null;
      totals[place] = isPlain ? Number(response.headers.get("Content-Length")) || null : null;
      const counting = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          done[place] += chunk.length;
          tell();
          controller.enqueue(chunk);
        },
      });
      return new Response(response.body.pipeThrough(counting)).arrayBuffer();
    }),
  );
}
