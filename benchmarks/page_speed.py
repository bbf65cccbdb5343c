"""How many pictures a second the page's worker reads, in Chromium, on one thread.

Needs Chromium and: pip install playwright scikit-image

    python benchmarks/page_speed.py [MODEL ...] [--pictures 150]

The time on the clock and the processor time of the page are printed: beside other programs they
are far apart.
"""

import argparse
import io
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "page"))

from hosting import hosted
from pictures import astronaut

from ferboost.inference import BUNDLED_MODEL
from ferboost.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The worker is asked as the page asks it: a bitmap goes there, boxes and probabilities come back.
# What is timed holds the pixels' way through the canvas, the crop and the network.
START = """async ([names, picture]) => {
  const [worker, runtime, emotions, faces, photo] = await Promise.all(
    [...names, picture].map((name) => fetch(name).then((answer) => answer.arrayBuffer())));
  const blob = new Blob([worker], { type: "text/javascript" });
  const port = new Worker(URL.createObjectURL(blob), { type: "module" });
  window.ask = (kind, content) => new Promise((resolve, reject) => {
    port.onmessage = ({ data }) => data.error ? reject(Error(data.error)) : resolve(data.content);
    port.postMessage({ id: 1, kind, content });
  });
  await ask("start", { runtime, emotions, faces });
  window.whole = await createImageBitmap(new Blob([photo]));
  const found = await ask("analyse", { picture: await createImageBitmap(whole), longestSide: 480 });
  window.known = found.faces.map(({ box, score, eyes }) => ({ box, score, eyes }));
}"""
REPEAT = """async ([count, longestSide]) => {
  for (let k = 0; k < count; k += 1) {
    const picture = await createImageBitmap(whole);
    const faces = longestSide === 0 ? { faces: known } : {};
    await ask("analyse", { picture, longestSide, ...faces });
  }
}"""
# Pictures of a step, for each that a known face gets.
STEPS = {
    "emotion of a known face": (0, 1.0),
    "the face found, at 320, and its emotion": (320, 0.4),
    "the face found, at 480, and its emotion": (480, 0.2),
    "the face found, at 960, and its emotion": (960, 0.1),
}


def main() -> None:
    """Print the milliseconds of each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, default=[BUNDLED_MODEL])
    parser.add_argument("--pictures", type=int, default=150)
    arguments = parser.parse_args()

    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for number, model in enumerate(arguments.models):
            site = Path(folder) / str(number)
            write_page(site, model)
            frame = io.BytesIO()
            astronaut().crop((64, 0, 448, 288)).resize((640, 480)).save(frame, format="png")
            (site / "frame.png").write_bytes(frame.getvalue())
            print(f"{model}, one face in 640 x 480 pixels")
            with hosted(site) as url:
                measure(browser, url, site, arguments.pictures)


def measure(browser: "Browser", url: str, site: Path, pictures: int) -> None:
    """Print how long each step takes."""
    page = browser.new_page()
    page.set_default_timeout(600_000)
    page.goto(f"{url}licences.txt")  # of the same origin, without a policy
    assets = [path.relative_to(site).as_posix() for path in (site / "assets").iterdir()]
    worker = next(name for name in assets if "worker" in name)
    runtime = next(name for name in assets if name.endswith(".gzip"))
    names = [worker, runtime, "models/emotions.onnx", "models/faces.onnx"]
    page.evaluate(START, [names, "frame.png"])
    session = browser.new_browser_cdp_session()

    def processor_seconds() -> float:
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        return float(sum(p["cpuTime"] for p in processes if p["type"] == "renderer"))

    for what, (longest_side, share) in STEPS.items():
        count = max(2, round(pictures * share))
        page.evaluate(REPEAT, [max(2, count // 4), longest_side])  # compiled as it runs
        clock, used = time.perf_counter(), processor_seconds()
        page.evaluate(REPEAT, [count, longest_side])
        each = (processor_seconds() - used) / count
        on_clock = (time.perf_counter() - clock) / count
        print(
            f"  {what}: {1000 * each:.0f} ms of one processor ({1 / each:.0f} a second), "
            f"{1000 * on_clock:.0f} ms on the clock, n = {count}"
        )
    page.close()


if __name__ == "__main__":
    main()
