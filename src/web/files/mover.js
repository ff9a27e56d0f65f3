/**
 * The choice of the class to move pictures to. A choice by pointer counts at once; by keyboard, where each arrow is a
 * choice, Enter does.
 */

import { say } from "./dom.js";

/** `move(name)` follows a choice, `leave()` one that was given up. */
export function mountMover(select, { move, leave }) {
  let typed = false;
  const reset = () => {
    select.value = "";
    typed = false;
  };
  const choose = () => {
    const name = select.value;
    reset();
    if (name) move(name);
  };
  select.addEventListener("pointerdown", () => {
    typed = false;
  });
  select.addEventListener("change", () => {
    if (typed) say(`Enter moves to ${select.value}.`);
    else choose();
  });
  select.addEventListener("keydown", (event) => {
    typed = true;
    if (event.key === "Enter" && select.value) choose();
    else if (event.key === "Escape") {
      reset();
      leave();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  select.addEventListener("blur", reset);
}
