// Files that the page gives and takes.

/** Offers bytes or text as a download. */
export function save(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A name without what file systems refuse. */
export function fileName(...parts) {
  return parts
    .join(" ")
    .replace(/[^\p{L}\p{N} .,_-]+/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
}
