import type { JSX } from "preact";

/** Strokes on a grid of 24; what a screen reader says stands beside them as text. */
const PATHS = {
  ferry: [
    "M2.5 15h19l-3 5.5h-13z",
    "M12 15V4.5",
    "M12 4.5l-2 2.7h4z",
    "M12 12l-3.5-2V8.5",
    "M12 10.5L15.5 8.5V7",
  ],
  usb: ["M12 21V4", "M12 4l-2.5 3.5h5z", "M12 16l-4.5-2.5V10", "M12 13.5l4.5-2.5V8", "M7 8.5h1.5v1.5H7z"],
  keyboard: ["M3 6.5h18v11H3z", "M6.5 10h.01M10 10h.01M13.5 10h.01M17 10h.01M7 14h10"],
  mouse: ["M12 3.5a5 5 0 0 1 5 5v7a5 5 0 0 1-10 0v-7a5 5 0 0 1 5-5z", "M12 7v3"],
  input: ["M4 8.5h16v8H4z", "M8 11v3M6.5 12.5h3", "M15 12.5h.01M17.5 11h.01"],
  disk: ["M5 4h14l2 9v6H3v-6z", "M3 13h18", "M17 16h.01"],
  serial: ["M3 8h18l-2.5 9h-13z", "M8 11h.01M12 11h.01M16 11h.01M10 14h.01M14 14h.01"],
  audio: ["M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z", "M15.5 9a4 4 0 0 1 0 6", "M18 6.5a7.5 7.5 0 0 1 0 11"],
  hub: ["M4 13h16v5H4z", "M8 15.5h.01M12 15.5h.01M16 15.5h.01", "M12 13V6M8.5 8.5L12 5l3.5 3.5"],
  printer: ["M7 8V4h10v4", "M4 8h16v8h-3M7 16H4V8", "M7 13h10v7H7z"],
  camera: ["M3.5 7.5h4l1.5-2h6l1.5 2h4v11h-17z", "M12 10a3 3 0 1 1 0 6 3 3 0 0 1 0-6z"],
  card: ["M3.5 6h17v12h-17z", "M6.5 10h4v3.5h-4z", "M14 15h3.5"],
  radio: [
    "M12 14a1.5 1.5 0 1 1 0-3 1.5 1.5 0 0 1 0 3z",
    "M8 16.5a6 6 0 0 1 0-8M16 8.5a6 6 0 0 1 0 8",
    "M12 14v6",
  ],
  test: ["M9 4h6M10 4v6l-5 8.5h14L14 10V4", "M8 14h8"],
  plus: ["M12 5v14M5 12h14"],
  chevron: ["M9 6l6 6-6 6"],
  up: ["M12 19V5M6 11l6-6 6 6"],
  down: ["M12 5v14M6 13l6 6 6-6"],
  folder: ["M3 6h6l2 2h10v11H3z"],
  copy: ["M9 9h11v11H9z", "M15 9V4H4v11h5"],
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {PATHS[name].map((path) => (
        <path key={path} d={path} />
      ))}
    </svg>
  );
}
