/// <reference types="vite/client" />

declare const __POLARIS_COLOURS__: Record<
  "text" | "textSecondary" | "border" | "surface" | "best" | "second" | "third" | "none" | "brand" | "baseline",
  string
>;

// The partial bundle ships no types; these are the calls we make.
declare module "plotly.js-basic-dist-min" {
  export function react(element: HTMLElement, data: unknown[], layout: unknown, config: unknown): Promise<HTMLElement>;
  export function purge(element: HTMLElement): void;
}
