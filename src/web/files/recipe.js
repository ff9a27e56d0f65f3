/** A recipe in words. */

/** The network in a few words: `32-64-128`, `residual 32-64`, `pretrained MobileNetV4 small`. */
export function network({ family, conv }) {
  const blocks = conv?.join("-") ?? "";
  if (family === "mobilenet_v4_small") return "pretrained MobileNetV4 small";
  if (family === "residual") return `residual ${blocks}`.trim();
  return blocks || (family ?? "network").replaceAll("_", " ");
}

const FAMILY = { plain: "Convolutions", residual: "Residual blocks" };

/** The network and how it is trained, in a sentence. */
export function inWords({ family, conv, dense, dropout, image_size, batch_size, learning_rate }) {
  const known = FAMILY[family] && conv?.length;
  const body = known ? `${FAMILY[family]} ${conv.join("-")}` : `Network: ${network({ family, conv })}`;
  return (
    `${body}, dense ${dense.join("-") || "none"}, dropout ${dropout.join(", ") || "none"}, ` +
    `${image_size} px, batches of ${batch_size}, learning rate ${learning_rate}`
  );
}
