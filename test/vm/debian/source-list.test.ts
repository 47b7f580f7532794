import assert from "node:assert/strict";
import { test } from "node:test";
import { debianMirrors, parseDeb822Sources, parseOneLineSources } from "./source-list.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

const DEB822 = `Types: deb
URIs: https://vendor.example/node
Suites: nodistro
Components: main
Signed-By: /usr/share/keyrings/vendor.gpg

# a comment inside
Types: deb deb-src
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: ${KEYRING}

Types: deb
# another
URIs: http://mirror.example/debian http://second.example/debian
Suites: bookworm
  bookworm-updates
Components: main
Signed-By: ${KEYRING}
`;

test("finds the stanza signed by the Debian archive key, not the first and not the security one", () => {
  const sources = parseDeb822Sources(DEB822);
  assert.equal(sources.length, 3);
  assert.deepEqual(sources[2]?.suites, ["bookworm", "bookworm-updates"]);
  assert.deepEqual(debianMirrors(sources, [KEYRING]), [
    { uri: "http://mirror.example/debian", keyring: KEYRING },
  ]);
});

test("reads the one-line format with and without options", () => {
  const sources = parseOneLineSources(
    [
      "# deb http://commented.example/debian bookworm main",
      "deb-src http://source.example/debian bookworm main",
      "deb http://old.example/debian bookworm main contrib",
      "deb [arch=amd64 signed-by=/etc/vendor.gpg] https://vendor.example/apt stable main",
      `deb [ arch=amd64 signed-by=${KEYRING} ] http://mirror.example/debian trixie main`,
    ].join("\n"),
  );
  assert.deepEqual(debianMirrors(sources, [KEYRING]), [
    { uri: "http://mirror.example/debian", keyring: KEYRING },
    { uri: "http://old.example/debian", keyring: KEYRING },
  ]);
});

test("an embedded key is not taken for Debian's", () => {
  const sources = parseDeb822Sources(
    "Types: deb\nURIs: http://a.example\nSuites: stable\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n",
  );
  assert.deepEqual(debianMirrors(sources, [KEYRING]), []);
});
