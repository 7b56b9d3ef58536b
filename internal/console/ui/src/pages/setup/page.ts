import { definePage } from "@/app/page";

export default definePage({
  routes: [{ path: "/setup", permission: "public", title: { zh: "设置账户", en: "Set up your account" }, bare: true, load: () => import("./SetUp") }],
});
