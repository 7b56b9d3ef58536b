// What a page tells the frame about itself. Each folder of pages/ has a page.ts; routes.tsx finds them.
import type { ComponentType } from "react";
import type { Both } from "@/lang";
import type { Permission } from "./session";

/** The groups of the navigation, in their order. */
export const groups = {
  home: { zh: "", en: "" },
  mail: { zh: "邮件与客户", en: "Mail and customers" },
  automation: { zh: "自动化", en: "Automation" },
  operations: { zh: "运行", en: "Operations" },
  administration: { zh: "管理", en: "Administration" },
  own: { zh: "我的", en: "Mine" },
} satisfies Record<string, Both>;

export interface Nav {
  group: keyof typeof groups;
  order: number; // within the group
  title: Both;
  icon: ComponentType<{ "aria-hidden"?: boolean }>;
  /** A number beside the title, such as what waits for the person: <span className="badge">3</span>, or nothing. */
  badge?: ComponentType;
}

/** Something that the search box offers for what was typed. */
export interface Search {
  title: Both; // "Where is my mail?"
  to: (q: string) => string;
  /** How likely q is meant for it: 0 not at all, 1 as any other, more comes first. Without it 1. */
  fits?: (q: string) => number;
}

export interface Route {
  path: string; // as react-router has it, from the root
  permission: Permission;
  title: Both; // of the browser's tab
  /** A module whose default is the page. */
  load: () => Promise<{ default: ComponentType }>;
  /** Without navigation and head, as sign-in. */
  bare?: boolean;
}

export interface Page {
  routes: Route[];
  nav?: Nav & { to: string; permission: Permission };
  search?: Search & { permission: Permission };
}

export const definePage = (page: Page) => page;
