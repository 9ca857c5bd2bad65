/** A report as Markdown, for tickets and wikis. */

import type { DrillReport } from "./report.ts";
import { sectionsOf, type Table, titleOf } from "./report-sections.ts";

/** With tables as GitHub has them. */
export function markdownReport(report: DrillReport): string {
  const sections = sectionsOf(report).map(({ title, sentences, table }) =>
    [
      `## ${escapeText(title)}`,
      ...(sentences.length === 0
        ? []
        : [sentences.map((sentence) => `* ${escapeText(sentence)}`).join("\n")]),
      ...(table === null ? [] : [formatTable(table)]),
    ].join("\n\n"),
  );
  return `${[`# ${escapeText(titleOf(report))}`, ...sections].join("\n\n")}\n`;
}

function formatTable({ columns, rows }: Table): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    row(columns.map(({ title }) => escapeText(title))),
    row(columns.map(({ isFigure }) => (isFigure ? "---:" : "---"))),
    ...rows.map((cells) => row(cells.map(escapeText))),
  ].join("\n");
}

/** What operators write may hold anything: it stays text, and within its line and cell. */
function escapeText(text: string): string {
  return text.replaceAll(/[\r\n]+/g, " ").replaceAll(/[\\`*_[\]<>&|#~!]/g, "\\$&");
}
