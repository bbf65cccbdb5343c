/** Files that are dropped anywhere on the page, or pasted. */

export function receiveFiles(onFile: (file: File) => void): void {
  const receive = (files: FileList | undefined) => {
    if (files?.[0] !== undefined) onFile(files[0]);
  };
  let depth = 0;
  const show = (change: number) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dragging", depth > 0);
  };
  document.addEventListener("dragenter", () => show(1));
  document.addEventListener("dragleave", () => show(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    show(-depth);
    receive(event.dataTransfer?.files);
  });
  document.addEventListener("paste", (event) => receive(event.clipboardData?.files));
}
