import type { ComponentChildren } from "preact";

// App Bridge's navigation element, which its own types declare for other frameworks only.
declare module "preact" {
  namespace createElement.JSX {
    interface IntrinsicElements {
      "s-app-nav": { children?: ComponentChildren };
    }
  }
}
