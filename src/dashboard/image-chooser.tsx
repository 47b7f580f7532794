import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ask, type Images, reasonOf } from "./api.ts";
import { bytesWords } from "./figure-words.ts";
import { Icon } from "./icon.tsx";

interface ImageChooserProps {
  /** Path of the image; empty for a disk in memory. */
  readonly chosen: string;
  readonly onChoose: (file: string) => void;
}

/** Chooses the image of a disk among the files of the host's machine. */
export function ImageChooser({ chosen, onChoose }: ImageChooserProps): JSX.Element {
  const [folder, setFolder] = useState<string | undefined>();
  const [listed, setListed] = useState<Images | undefined>();
  const [reason, setReason] = useState("");
  useEffect(() => {
    let isWanted = true;
    const query = folder === undefined ? "" : `?folder=${encodeURIComponent(folder)}`;
    ask<Images>("GET", `/v1/images${query}`).then(
      (images) => {
        if (!isWanted) return;
        setListed(images);
        setReason("");
      },
      (error: unknown) => isWanted && setReason(reasonOf(error)),
    );
    return () => {
      isWanted = false;
    };
  }, [folder]);
  const pathOf = (name: string): string => `${listed?.folder === "/" ? "" : listed?.folder}/${name}`;
  return (
    <fieldset class="images">
      <legend>Disk image</legend>
      <label for="image-path">Path</label>
      <input
        id="image-path"
        type="text"
        spellcheck={false}
        value={chosen}
        onInput={(event) => onChoose(event.currentTarget.value)}
      />
      <p class="quiet">On the machine of the host. Without one it is an empty disk in memory.</p>
      {reason !== "" && <p class="wrong">{reason}</p>}
      {listed !== undefined && (
        <>
          <p class="quiet path">In {listed.folder}</p>
          <ul>
            {listed.parent !== undefined && (
              <li>
                <button type="button" class="entry" onClick={() => setFolder(listed.parent)}>
                  <Icon name="up" />
                  The folder above
                </button>
              </li>
            )}
            {listed.folders.map((name) => (
              <li key={name}>
                <button type="button" class="entry" onClick={() => setFolder(pathOf(name))}>
                  <Icon name="folder" />
                  {name}
                </button>
              </li>
            ))}
            {listed.images.map(({ name, size }) => (
              <li key={name}>
                <button
                  type="button"
                  class="entry"
                  aria-pressed={chosen === pathOf(name)}
                  onClick={() => onChoose(pathOf(name))}
                >
                  <Icon name="disk" />
                  {name} <span class="quiet">{bytesWords(size)}</span>
                </button>
              </li>
            ))}
          </ul>
          {listed.images.length === 0 && (
            <p class="quiet">No file here can be a disk: it takes whole blocks of 512 bytes.</p>
          )}
          {listed.more && <p class="quiet">There are more entries than fit here: type the path.</p>}
        </>
      )}
    </fieldset>
  );
}
