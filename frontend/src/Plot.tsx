/** One picture with its sentence and its table twin. The chart library is fetched only when a picture is on the page. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { PlotSpec, TableTwin } from "./plot_spec";

export function Plot({ spec }: { spec: PlotSpec }) {
  const place = useRef<HTMLDivElement>(null);
  const [failed, setFailed] = useState(false);

  useEffect(() => {
    let gone = false;
    import("plotly.js-basic-dist-min")
      .then((plotly) => {
        if (!gone && place.current) {
          return plotly.react(place.current, spec.data, spec.layout, { displayModeBar: false, responsive: true });
        }
        return undefined;
      })
      .catch(() => setFailed(true));
    return () => {
      gone = true;
    };
  }, [spec]);

  useEffect(() => {
    const element = place.current;
    return () => {
      // Free the picture's listeners, if the library ever came.
      if (element?.hasChildNodes()) void import("plotly.js-basic-dist-min").then((plotly) => plotly.purge(element));
    };
  }, []);

  return (
    <div class="plot">
      {failed ? (
        <s-paragraph color="subdued">The picture could not be drawn here; the table below has the same numbers.</s-paragraph>
      ) : (
        // The height is reserved before the library is here, so nothing moves when it comes.
        <div ref={place} role="img" aria-label={spec.summary} style={{ minHeight: `${spec.height}px` }} />
      )}
      <details open={failed}>
        <summary>Show as a table</summary>
        <Table twin={spec.table} />
      </details>
    </div>
  );
}

function Table({ twin }: { twin: TableTwin }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="The same numbers as a table">
      <table class="twin">
        <thead>
          <tr>
            {twin.head.map((column) => (
              <th key={column.text} scope="col" class={column.numeric ? "numeric" : ""}>
                {column.text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {twin.rows.map((row) => (
            <tr key={row[0]}>
              {row.map((cell, position) =>
                position === 0 ? (
                  <th key={position} scope="row">
                    {cell}
                  </th>
                ) : (
                  <td key={position} class={twin.head[position]?.numeric ? "numeric" : ""}>
                    {cell}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
