// The door of Millrace's own figures: what workers count of jobs, and how it is read.
export { createFigures } from "./figures.ts";
