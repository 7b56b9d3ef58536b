// What the element of a list is called, inside "one of the list is as follows".
import { createContext } from "react";
import type { Known } from "./facts";

export const ElementContext = createContext<Known[]>([]);
