// A sentence of the API about a rule, with the names of fields set off from the words around them, as they are in the designer.
import "./said.css";

export function Said({ text }: { text: string }) {
  return text.split(/(‹[^‹›]*›)/).map((part, i) =>
    part.startsWith("‹") ? (
      <span key={i} className="said">
        {part.slice(1, -1)}
      </span>
    ) : (
      part
    ),
  );
}
