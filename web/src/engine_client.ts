/** The worker, as a page calls it. */

import type { Answer, Calls, Kind } from "./messages";

export class Engine {
  #worker: Worker;
  #waiting = new Map<number, { resolve(content: never): void; reject(error: Error): void }>();
  #count = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
      const caller = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("error" in data) caller?.reject(new Error(data.error));
      else caller?.resolve(data.content as never);
    });
    worker.addEventListener("error", (event) => {
      for (const caller of this.#waiting.values()) caller.reject(new Error(event.message));
      this.#waiting.clear();
    });
  }

  call<K extends Kind>(
    kind: K,
    content: Calls[K]["request"],
    handOver: Transferable[] = [],
  ): Promise<Calls[K]["answer"]> {
    this.#count += 1;
    const id = this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, kind, content }, handOver);
    });
  }
}
