import { definePage } from "@/app/page";

export default definePage({
  routes: [{ path: "/sign-in", permission: "public", title: { zh: "登录", en: "Sign in" }, bare: true, load: () => import("./SignIn") }],
});
