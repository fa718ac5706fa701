/* Fields of msgspec's records, read and written where they lie.

mypyc knows where a field of its own classes is; of any other object it asks by name, each time, which costs
more than the interpreter takes: that one remembers where it found a field the last time. So does this. Each
place in the code remembers one type, that type's version (which changes whenever the type does) and the
field's offset; whatever does not fit is asked for by name, as before. Included before each generated file. */
#ifndef CHAINBRAKE_SLOTS_H
#define CHAINBRAKE_SLOTS_H

#include <Python.h>
#include <CPy.h>

#ifndef Py_GIL_DISABLED

typedef struct {
    PyTypeObject *type;
    unsigned int version;
    Py_ssize_t offset;
} Slot;

/* The offset of a plain field of that name; 0 where it is a property, a method or anything else. */
static Py_ssize_t Slot_offset(PyTypeObject *type, PyObject *name) {
    if (type->tp_getattro != PyObject_GenericGetAttr)
        return 0;
    PyObject *found = _PyType_Lookup(type, name);
    if (found == NULL || Py_TYPE(found) != &PyMemberDescr_Type)
        return 0;
    PyMemberDescrObject *field = (PyMemberDescrObject *)found;
    if (field->d_member->type != T_OBJECT_EX || !PyType_IsSubtype(type, field->d_common.d_type))
        return 0;
    return field->d_member->offset;
}

static PyObject *Slot_find(PyObject *object, PyObject *name, Slot *slot) {
    PyTypeObject *type = Py_TYPE(object);
    Py_ssize_t offset = Slot_offset(type, name);
    if (offset > 0 && type->tp_version_tag != 0) {
        slot->type = type;
        slot->version = type->tp_version_tag;
        slot->offset = offset;
    }
    return PyObject_GetAttr(object, name);
}

static inline PyObject *Slot_get(PyObject *object, PyObject *name, Slot *slot) {
    PyTypeObject *type = Py_TYPE(object);
    if (likely(slot->type == type && slot->version == type->tp_version_tag)) {
        PyObject *value = *(PyObject **)((char *)object + slot->offset);
        if (likely(value != NULL)) {
            Py_INCREF(value);
            return value;
        }
    }
    return Slot_find(object, name, slot);
}

/* Whether a field may be written where it lies: the type leaves assignment as it was, and no object of it
is known to the collector (msgspec tells the collector of those others when they are written). */
static int Slot_is_plain(PyTypeObject *type) {
    static PyObject *assignment = NULL;
    if (assignment == NULL && (assignment = PyUnicode_InternFromString("__setattr__")) == NULL) {
        PyErr_Clear();
        return 0;
    }
    PyObject *found = PyType_IS_GC(type) ? NULL : _PyType_Lookup(type, assignment);
    return found != NULL && Py_TYPE(found) == &PyWrapperDescr_Type;
}

/* What is frozen fails here each time, and so is never remembered. */
static int Slot_put(PyObject *object, PyObject *name, PyObject *value, Slot *slot) {
    int failed = PyObject_SetAttr(object, name, value);
    PyTypeObject *type = Py_TYPE(object);
    if (failed || value == NULL || !Slot_is_plain(type))
        return failed;
    Py_ssize_t offset = Slot_offset(type, name);
    if (offset > 0 && type->tp_version_tag != 0) {
        slot->type = type;
        slot->version = type->tp_version_tag;
        slot->offset = offset;
    }
    return 0;
}

static inline int Slot_set(PyObject *object, PyObject *name, PyObject *value, Slot *slot) {
    PyTypeObject *type = Py_TYPE(object);
    if (likely(slot->type == type && slot->version == type->tp_version_tag && value != NULL)) {
        PyObject **place = (PyObject **)((char *)object + slot->offset);
        PyObject *before = *place;
        Py_INCREF(value);
        *place = value;
        Py_XDECREF(before);
        return 0;
    }
    return Slot_put(object, name, value, slot);
}

#undef CPyObject_GetAttr
#define CPyObject_GetAttr(object, name)          \
    ({                                           \
        static Slot slot_of_this_place;          \
        Slot_get(object, name, &slot_of_this_place); \
    })

#define PyObject_SetAttr(object, name, value)           \
    ({                                                  \
        static Slot slot_of_this_place;                 \
        Slot_set(object, name, value, &slot_of_this_place); \
    })

#endif
#endif
