import { texts } from "@/lang";
import en from "./en.json";
import zh from "./zh.json";

export const useText = texts(en, zh);
