import js from "@eslint/js";
import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

// Mail is data of strangers: its HTML is shown in a sandboxed frame only.
const noHTML = { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Show HTML in a sandboxed frame." };

export default tseslint.config(
  { ignores: ["dist", "src/api/gen", "test-results"] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  hooks.configs.flat.recommended,
  a11y.flatConfigs.recommended,
  {
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      "no-restricted-syntax": ["error", noHTML],
    },
  },
  // An icon's own name ("filter", "close-circle") would be read out with what it stands beside.
  {
    files: ["src/**/*.tsx"],
    rules: {
      "no-restricted-syntax": [
        "error",
        noHTML,
        { selector: "JSXOpeningElement[name.name=/(Outlined|Filled)$/]:not(:has(> JSXAttribute[name.name=/^aria-(hidden|label)$/]))", message: "Hide the icon from screen readers (aria-hidden), or name it (aria-label)." },
      ],
    },
  },
  // Playwright's fixtures are functions with a parameter "use" and an empty first one.
  { files: ["e2e/**"], rules: { "react-hooks/rules-of-hooks": "off", "no-empty-pattern": "off" } },
  { files: ["**/*.mjs"], languageOptions: { globals: { console: "readonly", process: "readonly", URL: "readonly" } } },
);
