// The two ceremonies of WebAuthn, between the API and the browser.
import { api, ok, type Schemas } from "@/api/client";
import { ApiProblem } from "@/api/problem";

type Session = Schemas["administration"]["Session"];

export const passkeysWork = () =>
  typeof window.PublicKeyCredential === "function" && typeof PublicKeyCredential.parseRequestOptionsFromJSON === "function";

function refused(error: unknown): never {
  if (error instanceof DOMException) {
    throw new ApiProblem({ status: 0, code: error.name === "InvalidStateError" ? "passkey_there" : "passkey_cancelled", detail: error.message });
  }
  throw error;
}

/** Signs in, finishes a sign-in, or confirms the session, with a passkey. */
export async function signInByPasskey(): Promise<Session> {
  const { ceremony, options } = await ok(api.POST("/api/v1/session/passkey/begin"));
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON);
  const credential = (await navigator.credentials.get({ publicKey }).catch(refused)) as PublicKeyCredential;
  return ok(api.POST("/api/v1/session/passkey/finish", { body: { ceremony, credential: credential.toJSON() as Record<string, unknown> } }));
}

/** Adds a passkey to the own account. */
export async function addPasskey(name: string) {
  const { ceremony, options } = await ok(api.POST("/api/v1/me/factors/passkey/begin"));
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON);
  const credential = (await navigator.credentials.create({ publicKey }).catch(refused)) as PublicKeyCredential;
  return ok(api.POST("/api/v1/me/factors/passkey/finish", { body: { ceremony, name, credential: credential.toJSON() as Record<string, unknown> } }));
}
