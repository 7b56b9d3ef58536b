// The frame of pages for who is not signed in.
import type { ReactNode } from "react";
import { LangSwitch, ModeSwitch } from "./Shell";

export function Gate({ children }: { children: ReactNode }) {
  return (
    <div className="gate">
      <header>
        <span className="brand">
          <img src="/icon.svg" alt="" />
          Heliograph
        </span>
        <span className="grow" />
        <ModeSwitch />
        <LangSwitch />
      </header>
      <main id="main">
        <div className="card">{children}</div>
      </main>
    </div>
  );
}
