// Remembers small things from visit to visit; browsers may forbid it.

/** Return what was remembered under a name, or null. */
export function recall(name) {
  try {
    return localStorage.getItem(`glassqueue-${name}`);
  } catch {
    return null;
  }
}

/** Remember a text under a name. */
export function remember(name, text) {
  try {
    localStorage.setItem(`glassqueue-${name}`, text);
  } catch {
    // then it is forgotten
  }
}
