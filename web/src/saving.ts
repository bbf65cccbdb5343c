/** Results as files: a table, and the picture with its boxes. Both are made here and stay here. */

import { make } from "./dom";
import type { ModelInfo } from "./engine/model_file";
import type { Sample } from "./people";
import { percent, verdictOf } from "./wording";

/** One row for each face of each sample. */
export function tableOf(samples: Sample[], model: ModelInfo, source: string): string {
  const head = ["source", "time", "face", "left", "top", "right", "bottom", "score"];
  const rows = [[...head, "emotion", "probability", "set", ...model.classes, "warning"]];
  for (const { time, people } of samples) {
    for (const { number, box, score, probabilities, warning } of people) {
      const { top, set } = verdictOf(probabilities, model);
      rows.push([
        source,
        time === null ? "" : time.toFixed(3),
        String(number),
        ...[box.left, box.top, box.right, box.bottom].map((edge) => edge.toFixed(2)),
        score.toFixed(4),
        model.classes[top],
        probabilities[top].toFixed(6),
        model.setThreshold === null ? "" : set.map((k) => model.classes[k]).join(" "),
        ...[...probabilities].map((share) => share.toFixed(6)),
        warning ?? "",
      ]);
    }
  }
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function cell(text: string): string {
  const harmless = /^[=+@\t\r]/.test(text) ? `'${text}` : text; // spreadsheets would compute it
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** Draw a picture with the boxes and labels of its faces. */
export async function annotated(
  picture: CanvasImageSource,
  sample: Sample,
  model: ModelInfo,
): Promise<Blob> {
  const { width, height } = sample;
  const canvas = make("canvas", { width: String(width), height: String(height) });
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("the browser is out of memory for pictures");
  context.drawImage(picture, 0, 0, width, height);
  const size = Math.max(12, Math.round(Math.max(width, height) / 50));
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.lineWidth = Math.max(2, size / 8);
  for (const { number, box, probabilities } of sample.people) {
    const { top, words, sure } = verdictOf(probabilities, model);
    const label = `${number}  ${words}${sure ? ` ${percent(probabilities[top])}` : ""}`;
    const high = size * 1.6;
    const wide = context.measureText(label).width + size;
    const x = Math.min(Math.max(0, box.left), Math.max(0, width - wide));
    const y = box.top > high ? box.top - high : Math.min(box.bottom, height - high);
    context.strokeStyle = "#fff";
    context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    context.fillStyle = "rgb(0 0 0 / 75%)";
    context.fillRect(x, y, wide, high);
    context.fillStyle = "#fff";
    context.fillText(label, x + size / 2, y + high / 2);
  }
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob === null) reject(new Error("the picture is too large to be saved"));
      else resolve(blob);
    }, "image/png");
  });
}

export function save(content: Blob, name: string): void {
  const link = make("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** "holiday" of "holiday.final.jpg"'s "holiday.final". */
export function stemOf(name: string): string {
  return name.replace(/\.[^.]*$/, "") || "picture";
}
