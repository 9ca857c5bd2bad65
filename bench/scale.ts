export async function scale(_write: string | null): Promise<readonly string[]> {
  return [];
}
