/** Lines over time as SVG, in panels one below the other. */
export interface Panel {
  readonly title: string;
  readonly lines: readonly {
    readonly name: string;
    readonly points: readonly (readonly [number, number])[];
  }[];
}

const width = 860;
const panelHeight = 220;
const margin = { left: 60, right: 130, top: 28, bottom: 28 };
const colours = ["#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#566573"];

export function chart(panels: readonly Panel[]): string {
  const height = panels.length * panelHeight;
  const body = panels.map((panel, at) => drawPanel(panel, at * panelHeight)).join("\n");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<title>Soak: memory, descriptors, latency and store over time</title>
<rect width="${width}" height="${height}" fill="white"/>
${body}
</svg>
`;
}

function drawPanel({ title, lines }: Panel, top: number): string {
  const points = lines.flatMap((line) => line.points);
  const endX = Math.max(1, ...points.map(([x]) => x));
  const endY = Math.max(1, ...points.map(([, y]) => y)) * 1.1;
  const [left, right] = [margin.left, width - margin.right];
  const [upper, lower] = [top + margin.top, top + panelHeight - margin.bottom];
  const x = (value: number) => (left + (value / endX) * (right - left)).toFixed(1);
  const y = (value: number) => (lower - (value / endY) * (lower - upper)).toFixed(1);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(share * endY);
    return `<line x1="${left}" x2="${right}" y1="${at}" y2="${at}" stroke="#ddd"/><text x="${left - 6}" y="${at}" text-anchor="end">${Math.round(share * endY)}</text>`;
  });
  const drawn = lines.map(({ name, points: of }, at) => {
    const colour = colours[at % colours.length];
    const path = of.map(([px, py]) => `${x(px)},${y(py)}`).join(" ");
    return `<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${path}"/><text x="${right + 8}" y="${upper + 14 * at + 8}" fill="${colour}">${name}</text>`;
  });
  return `<text x="${left}" y="${top + 16}" font-weight="bold">${title}</text>
${grid.join("\n")}
<text x="${left}" y="${lower + 16}">0</text><text x="${right}" y="${lower + 16}" text-anchor="end">${(endX / 60).toFixed(1)} minutes</text>
${drawn.join("\n")}`;
}
