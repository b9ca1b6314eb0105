"""Shapes: surfaces of solids, as meshes of triangles."""
