// The explanations; the address can name one of them, such as #/explained/lease.

import { byId } from "./dom.js";

/** The view. */
export const explainedView = {
  section: "view-explained",
  title: "Explained",
  open([topic]) {
    for (const article of byId("view-explained").querySelectorAll("article")) {
      article.classList.toggle("asked", article.id === `explain-${topic}`);
    }
    // after the router has scrolled to the top
    if (topic) requestAnimationFrame(() => byId(`explain-${topic}`)?.scrollIntoView({ block: "center" }));
  },
};
