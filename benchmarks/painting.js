// Notes when the table of executions was last painted differently, and when the page was last clicked.
window.painting = { at: null, mark: null, clicked: null };
addEventListener("click", () => { window.painting.clicked = performance.now(); }, true);
const small = document.createElement("canvas");
[small.width, small.height] = [240, 160];
const pen = small.getContext("2d", { willReadFrequently: true });
function look() {
  const canvas = document.querySelector('[data-testid="stDataFrame"] canvas');
  let mark = null;
  if (canvas && canvas.width > 0) {
    pen.clearRect(0, 0, small.width, small.height);
    pen.drawImage(canvas, 0, 0, small.width, small.height);
    mark = 7;
    for (const point of new Uint32Array(pen.getImageData(0, 0, small.width, small.height).data.buffer)) {
      mark = (Math.imul(mark, 31) + point) | 0;
    }
  }
  if (mark !== window.painting.mark) {
    window.painting.mark = mark;
    window.painting.at = performance.now();
  }
  requestAnimationFrame(look);
}
requestAnimationFrame(look);
