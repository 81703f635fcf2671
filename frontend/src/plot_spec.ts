/** What a picture is made of, and the look that all of them share. */

const colour = __POLARIS_COLOURS__;

export interface TableTwin {
  head: { text: string; numeric: boolean }[];
  rows: string[][];
}

export interface PlotSpec {
  /** One sentence that says what the picture shows; read aloud in its place. */
  summary: string;
  height: number;
  data: Record<string, unknown>[];
  layout: Record<string, unknown>;
  table: TableTwin;
}

const FONT = "Inter, -apple-system, BlinkMacSystemFont, 'San Francisco', 'Segoe UI', Roboto, sans-serif";

export function layout(height: number, more: Record<string, unknown>): Record<string, unknown> {
  return {
    height,
    margin: { l: 48, r: 12, t: 8, b: 36 },
    font: { family: FONT, size: 12, color: colour.textSecondary },
    paper_bgcolor: colour.surface,
    plot_bgcolor: colour.surface,
    hovermode: "x unified",
    legend: { orientation: "h", x: 0, y: -0.18, font: { color: colour.text } },
    bargap: 0.25,
    ...more,
  };
}

export const quiet = { gridcolor: colour.border, zerolinecolor: colour.border, fixedrange: true, automargin: true };
export const axisTitle = (text: string) => ({ text, font: { size: 12 } });
